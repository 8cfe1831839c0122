/** The response phase: what goes back to the client, and what is believed about who served. */
import { describe, expect, it } from "vitest";
import {
  createHarness,
  DESTINATION,
  headersOf,
  requestHeaders,
} from "../support/exchange-harness.ts";
import { headerMap, struct } from "../support/published-codec.ts";
import type { ProcessingRequest } from "../support/published-codec.ts";

const SERVED = `${DESTINATION}-served`;

/** A session that is bound, and its response. */
async function respond(response: ProcessingRequest) {
  const harness = createHarness();
  const exchange = harness.open();
  const [decided] = await exchange.send(requestHeaders({ "x-session-id": "s" }));
  const replies = await exchange.send(response);
  const offered = headersOf(decided)[DESTINATION]?.split(",") ?? [];
  return { ...harness, offered, replies };
}

const ok = { response_headers: { headers: headerMap({ ":status": "200" }) } };
const inEnvoyLb = (fields: Record<string, string>) => ({
  metadata_context: { filter_metadata: { "envoy.lb": struct(fields) } },
});

describe("a response", () => {
  it.each([
    ["with headers", ok],
    ["with an empty header map", { response_headers: { headers: {} } }],
    ["without a header map", { response_headers: {} }],
  ])("%s gets the id and nothing else, and loses nothing [B6] [L16]", async (_, response) => {
    const { replies } = await respond(response);
    expect(replies).toHaveLength(1);
    expect(headersOf(replies[0])).toEqual({ "x-session-id": "s" });
    const common = replies[0]?.response_headers?.response;
    expect(common?.header_mutation?.remove_headers ?? []).toEqual([]);
    expect(common?.body_mutation ?? undefined).toBeUndefined();
  });

  it("to a request that was never seen is left as it is [B7]", async () => {
    const { open, decided } = createHarness();
    const [reply] = await open().send(ok);
    expect(reply?.response).toBe("response_headers");
    expect(headersOf(reply)).toEqual({});
    expect(decided).toEqual([]);
  });
});

describe("the address that really served", () => {
  it.each([
    ["without metadata [L13]", {}],
    ["without the key in it [L14]", inEnvoyLb({ other: "10.0.0.9:80" })],
  ])("leaves the binding and gives no sign where it is not told, %s", async (_, metadata) => {
    const { bindingOf, offered, events } = await respond({ ...ok, ...metadata });
    expect(bindingOf("s")).toMatchObject({ endpoint: offered[0], generation: 1 });
    expect(events).toEqual([]);
  });

  it("is taken from metadata where there is no attribute [L15]", async () => {
    const { events } = await respond({ ...ok, ...inEnvoyLb({ [SERVED]: "10.0.0.9:80" }) });
    expect(events).toEqual(["servedElsewhere default 10.0.0.9:80"]);
  });

  it("is believed of the attribute first, which no gateway rewrites", async () => {
    const harness = createHarness();
    const exchange = harness.open();
    const [decided] = await exchange.send(requestHeaders({ "x-session-id": "s" }));
    const [first = ""] = headersOf(decided)[DESTINATION]?.split(",") ?? [];
    await exchange.send({
      ...ok,
      ...inEnvoyLb({ [SERVED]: "10.0.0.9:80" }),
      attributes: { "envoy.filters.http.ext_proc": struct({ "upstream.address": first }) },
    });
    expect(harness.events).toEqual([]);
  });
});
