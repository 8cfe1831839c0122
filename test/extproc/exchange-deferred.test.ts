/** Decisions that wait for the body: how many answers there are, and which of them carries the decision. */
import { describe, expect, it } from "vitest";
import {
  createHarness,
  DESTINATION,
  errorOf,
  headersOf,
  poolOf,
  requestHeaders,
} from "../support/exchange-harness.ts";

const body = { body: Buffer.from('{"prompt_cache_key":"k"}'), end_of_stream: true };

describe("headers and a body in one piece", () => {
  it("in full duplex get two answers, of which only the first changes headers [C27]", async () => {
    const exchange = createHarness().open();
    const modes = { request_body_mode: "FULL_DUPLEX_STREAMED" } as const;
    const opening = requestHeaders({}, { endOfStream: false, protocol_config: modes });
    expect(await exchange.send(opening)).toEqual([]);
    const replies = await exchange.send({ request_body: body });
    expect(replies.map(({ response }) => response)).toEqual(["request_headers", "request_body"]);
    expect(headersOf(replies[0])).toMatchObject({ "x-session-id": "k" });
    expect(replies[1]?.request_body?.response?.header_mutation ?? undefined).toBeUndefined();
    const { streamed_response: piece } = replies[1]?.request_body?.response?.body_mutation ?? {};
    expect(piece).toMatchObject(body);
  });

  it("asked for in one piece get two answers, of which only the last names the destination [C27]", async () => {
    const exchange = createHarness().open();
    const first = await exchange.send(requestHeaders({}, { endOfStream: false }));
    const second = await exchange.send({ request_body: body });
    expect([first, second].map((replies) => replies.length)).toEqual([1, 1]);
    expect(headersOf(first[0])).toEqual({});
    expect(Object.keys(headersOf(second[0])).toSorted()).toEqual([DESTINATION, "x-session-id"]);
  });
});

describe("a refusal that waited for the body", () => {
  const fullDuplex = { request_body_mode: "FULL_DUPLEX_STREAMED" } as const;

  it.each([
    ["the body's end", { request_body: { end_of_stream: true } }],
    ["trailers", { request_trailers: {} }],
  ])("is the only answer where it comes with %s", async (_, last) => {
    const exchange = createHarness({ pools: [poolOf("default", {})] }).open();
    await exchange.send(requestHeaders({}, { endOfStream: false, protocol_config: fullDuplex }));
    await exchange.send({ request_body: { body: body.body } });
    const replies = await exchange.send(last);
    expect(replies.map(({ response }) => response)).toEqual(["immediate_response"]);
    expect(errorOf(replies[0]).code).toBe("no_endpoints");
  });
});
