/** A gRPC call to an engine: its body never ends with a flag, its status comes in trailers, and none of it is JSON. */
import { expect, it } from "vitest";
import {
  createHarness,
  DESTINATION,
  headersOf,
  requestHeaders,
} from "../support/exchange-harness.ts";
import { headerMap } from "../support/published-codec.ts";

const path = "/vllm.grpc.engine.VllmEngine/Generate";
const frame = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
const piece = { body: frame, end_of_stream: false };
const both = "FULL_DUPLEX_STREAMED" as const;

it("is routed at its headers, streams through unread, and ends with trailers [C26]", async () => {
  const exchange = createHarness({ reader: { bodyPaths: [path] } }).open();
  const opening = requestHeaders(
    { ":path": path, "content-type": "application/grpc", te: "trailers" },
    {
      endOfStream: false,
      protocol_config: { request_body_mode: both, response_body_mode: both },
    },
  );
  const [decided] = await exchange.send(opening);
  expect(headersOf(decided)[DESTINATION]).toBeDefined();

  for (const direction of ["request", "response"] as const) {
    if (direction === "response") {
      const [answered] = await exchange.send({
        response_headers: { headers: headerMap({ ":status": "200" }) },
      });
      expect(headersOf(answered)["x-session-id"]).toBe("minted-1");
    }
    for (let count = 0; count < 2; count++) {
      const [echoed, ...more] = await exchange.send({ [`${direction}_body`]: piece });
      const reply = echoed?.[`${direction}_body`]?.response?.body_mutation?.streamed_response;
      expect([reply?.body, reply?.end_of_stream ?? false]).toEqual([frame, false]);
      expect(more).toEqual([]);
    }
    const trailers = await exchange.send({ [`${direction}_trailers`]: {} });
    expect(trailers.map(({ response }) => response)).toEqual([`${direction}_trailers`]);
  }
});
