import { describe, expect, it } from "vitest";
import {
  createHarness,
  DESTINATION,
  errorOf,
  headersOf,
  metadataDestination,
  poolOf,
  requestHeaders,
  threeReady,
} from "../support/exchange-harness.ts";
import { jsonBody, modes, posted, responseHeaders, SUBSET } from "../support/exchange-messages.ts";
import { struct } from "../support/published-codec.ts";

describe("the decision at request headers", () => {
  it("names the same ordered destination in the header and in envoy.lb metadata [C1] [C7]", async () => {
    const { open } = createHarness();
    const [reply] = await open().send(requestHeaders({ "x-session-id": "s-1" }));
    const destination = headersOf(reply)[DESTINATION];
    expect(destination?.split(",").toSorted()).toEqual(Object.keys(threeReady));
    expect(metadataDestination(reply)).toBe(destination);
  });

  it("names the first address alone for an ORIGINAL_DST cluster", async () => {
    const { open } = createHarness({ ports: { sendsFallbacks: false } });
    const [reply] = await open().send(requestHeaders({ "x-session-id": "s-1" }));
    expect(Object.keys(threeReady)).toContain(headersOf(reply)[DESTINATION]);
    expect(metadataDestination(reply)).toBe(headersOf(reply)[DESTINATION]);
  });

  it("sends the same session to the same endpoint ten times, by either header, and the x-session-id wins [B21]", async () => {
    const { open } = createHarness();
    const first = async (headers: Record<string, string>) =>
      headersOf((await open().send(requestHeaders(headers)))[0])[DESTINATION]?.split(",")[0];
    const byId = await first({ "x-session-id": "a" });
    const byHarness = await first({ "x-claude-code-session-id": "b" });
    for (let turn = 0; turn < 10; turn++) {
      expect(await first({ "x-session-id": "a" })).toBe(byId);
      expect(await first({ "x-claude-code-session-id": "b" })).toBe(byHarness);
      expect(await first({ "x-session-id": "a", "x-claude-code-session-id": "b" })).toBe(byId);
    }
  });

  it("mints an id where none came, and the minted id leads back to the same endpoint [A12] [A18] [B20]", async () => {
    const { open } = createHarness();
    const exchange = open();
    const [decided] = await exchange.send(requestHeaders());
    const [answered] = await exchange.send(responseHeaders());
    const id = headersOf(answered)["x-session-id"] ?? "";
    expect(id).toBe("minted-1");
    const [replayed] = await open().send(requestHeaders({ "x-session-id": id }));
    expect(headersOf(replayed)[DESTINATION]).toBe(headersOf(decided)[DESTINATION]);
  });

  it("hands the id on to the engine and echoes the client's own, trimmed, at response headers [A9] [A16]", async () => {
    const exchange = createHarness().open();
    const [decided] = await exchange.send(requestHeaders({ "x-session-id": "  s-1\t" }));
    const [answered] = await exchange.send(responseHeaders("500"));
    expect(headersOf(decided)["x-session-id"]).toBe("s-1");
    expect(headersOf(answered)).toEqual({ "x-session-id": "s-1" });
  });

  it("refuses an unusable x-session-id with a 400 that names header, length and limit", async () => {
    const { open, events } = createHarness();
    const [reply] = await open().send(requestHeaders({ "x-session-id": "x".repeat(257) }));
    expect(reply?.immediate_response?.status?.code).toBe("BadRequest");
    const { code, message } = errorOf(reply);
    expect(code).toBe("session_id_invalid");
    for (const part of ["x-session-id", "257", "256"]) expect(message).toContain(part);
    expect(headersOf(reply)["x-session-id"]).toBeUndefined();
    expect(events).toContain("refused session_id_invalid");
  });

  it("says of a short x-session-id with a space in it what is wrong", async () => {
    const [reply] = await createHarness()
      .open()
      .send(requestHeaders({ "x-session-id": "a b" }));
    expect(errorOf(reply).message).toBe(
      "the header x-session-id of 3 bytes has one that is not visible ASCII; it must be 1 to 256 visible ASCII bytes",
    );
  });

  it("skips and counts an unusable id of any other source", async () => {
    const { open, events, decided } = createHarness();
    await open().send(requestHeaders({ "x-claude-code-session-id": "a b", session_id: "usable" }));
    expect(decided[0]?.request.sessionId).toBe("usable");
    expect(events).toContain("skipped header x-claude-code-session-id");
  });

  it("removes nothing of a client's other headers and overwrites its destination [C22]", async () => {
    const [reply] = await createHarness()
      .open()
      .send(requestHeaders({ [DESTINATION]: "6.6.6.6:6", "x-session-id": "s" }));
    expect(headersOf(reply)[DESTINATION]).not.toContain("6.6.6.6");
    expect(reply?.request_headers?.response?.header_mutation?.remove_headers ?? []).toEqual([]);
  });

  it("brackets IPv6 destinations [W9]", async () => {
    const { open } = createHarness({ pools: [poolOf("default", { "[::1]:8000": "ready" })] });
    const [reply] = await open().send(requestHeaders({ "x-session-id": "s" }));
    expect(headersOf(reply)[DESTINATION]).toBe("[::1]:8000");
  });

  it.each([
    ["an empty pool", {}, "no_endpoints"],
    ["a pool that is all down", { "10.0.0.1:80": "down" }, "no_ready_endpoint"],
  ] as const)(
    "answers 503 with JSON, reason and session id for %s [C6] [B4]",
    async (_, endpoints, reason) => {
      const { open } = createHarness({ pools: [poolOf("default", endpoints)] });
      const [reply] = await open().send(requestHeaders({ "x-session-id": "s" }));
      expect(reply?.immediate_response?.status?.code).toBe("ServiceUnavailable");
      expect(errorOf(reply).code).toBe(reason);
      expect(headersOf(reply)).toMatchObject({ "x-moorline-reason": reason, "x-session-id": "s" });
    },
  );

  it.each([
    ["three of three [C8]", Object.keys(threeReady), 3],
    ["one alone [C9]", ["10.0.0.2:80"], 1],
    ["a comma string", "10.0.0.2:80, 10.0.0.3:80", 2],
  ])("keeps inside a subset of %s", async (_, subset, size) => {
    const [reply] = await createHarness()
      .open()
      .send(
        requestHeaders(
          {},
          {
            metadata_context: {
              filter_metadata: { "envoy.lb.subset_hint": struct({ [SUBSET]: subset }) },
            },
          },
        ),
      );
    const offered = headersOf(reply)[DESTINATION]?.split(",") ?? [];
    expect(offered).toHaveLength(size);
    expect(offered.every((address) => [subset].flat().join(",").includes(address))).toBe(true);
  });

  it.each([
    ["nothing ready [C10]", ["9.9.9.9:9"], "subset_no_match"],
    ["nothing at all", [], "subset_empty"],
  ])("answers 503 where the subset names %s", async (_, subset, reason) => {
    const [reply] = await createHarness()
      .open()
      .send(
        requestHeaders(
          {},
          {
            metadata_context: {
              filter_metadata: { "envoy.lb.subset_hint": struct({ [SUBSET]: subset }) },
            },
          },
        ),
      );
    expect(errorOf(reply).code).toBe(reason);
  });
});

describe("an id in the body", () => {
  it("is asked for in one piece, without letting a client's destination through meanwhile [R8]", async () => {
    const exchange = createHarness().open();
    const [asked] = await exchange.send(
      posted({ "content-length": "99", [DESTINATION]: "6.6.6.6:6" }),
    );
    expect(asked?.mode_override?.request_body_mode).toBe("BUFFERED");
    expect(asked?.request_headers?.response?.header_mutation?.remove_headers).toContain(
      DESTINATION,
    );
    expect(headersOf(asked)[DESTINATION]).toBeUndefined();

    const [decided] = await exchange.send(
      jsonBody({ messages: [], session_params: { id: "b-1" } }),
    );
    expect(headersOf(decided)).toMatchObject({ "x-session-id": "b-1" });
    expect(metadataDestination(decided)).toBe(headersOf(decided)[DESTINATION]);
    expect(decided?.request_body?.response?.body_mutation ?? undefined).toBeUndefined();
  });

  it("leads where the same id in the header leads", async () => {
    const { open } = createHarness();
    const exchange = open();
    await exchange.send(posted());
    const [fromBody] = await exchange.send(jsonBody({ prompt_cache_key: "same" }));
    const [fromHeader] = await open().send(requestHeaders({ "x-session-id": "same" }));
    expect(headersOf(fromHeader)[DESTINATION]).toBe(headersOf(fromBody)[DESTINATION]);
  });

  it("is not asked for where Envoy buffers by itself; the reply goes with the body", async () => {
    const exchange = createHarness().open();
    const [asked] = await exchange.send(posted({}, modes("BUFFERED")));
    expect(asked?.mode_override ?? undefined).toBeUndefined();
    const [decided] = await exchange.send(jsonBody({ prompt_cache_key: "k" }));
    expect(headersOf(decided)["x-session-id"]).toBe("k");
  });

  it.each([
    ["a header has the id", { "x-session-id": "s" }, {}],
    ["the path is not configured", { ":path": "/other" }, {}],
    ["it is no POST (a WebSocket has no end to wait for)", { ":method": "GET" }, {}],
    ["there is no body", {}, { endOfStream: true }],
    [
      "the announced length is over the limit",
      { "content-length": String(8 * 1024 * 1024 + 1) },
      {},
    ],
    ["the body has a content-encoding", { "content-encoding": "gzip" }, {}],
    ["the content type is no JSON", { "content-type": "text/plain" }, {}],
  ])("is not asked for where %s", async (_, headers, more) => {
    const [reply] = await createHarness().open().send(posted(headers, more));
    expect(reply?.mode_override ?? undefined).toBeUndefined();
    expect(headersOf(reply)[DESTINATION]).toBeDefined();
  });

  it("counts in the budget of all bodies by its announced length, until it has been read", async () => {
    const { open, ports } = createHarness();
    const exchange = open();
    await exchange.send(posted({ "content-length": "99" }));
    expect(ports.budget.heldBytes).toBe(99);
    await exchange.send(jsonBody({ prompt_cache_key: "k" }));
    expect(ports.budget.heldBytes).toBe(0);
  });

  it.each([
    ["none is announced", {}],
    ["the announced one is no number", { "content-length": "many" }],
  ])(
    "counts with the limit of one body where %s, and gives it back on a reset",
    async (_, headers) => {
      const { open, ports } = createHarness();
      const exchange = open();
      await exchange.send(posted(headers));
      expect(ports.budget.heldBytes).toBe(8 * 1024 * 1024);
      exchange.exchange.cancel();
      exchange.exchange.cancel();
      expect(ports.budget.heldBytes).toBe(0);
    },
  );

  it("is not asked for where the budget of all bodies has no room; the id is minted", async () => {
    const { open, ports, decided } = createHarness();
    ports.budget.tryTake(ports.budget.limitBytes - 98);
    const [reply] = await open().send(posted({ "content-length": "99" }));
    expect(headersOf(reply)["x-session-id"]).toBe("minted-1");
    expect(decided[0]?.bodyObstacle).toBe("body_budget_full");
    expect(ports.budget.heldBytes).toBe(ports.budget.limitBytes - 98);
  });

  it("is asked for at a length of exactly the limit", async () => {
    const [reply] = await createHarness()
      .open()
      .send(posted({ "content-length": String(8 * 1024 * 1024) }));
    expect(reply?.mode_override?.request_body_mode).toBe("BUFFERED");
  });

  it.each([
    ["no JSON [C3]", "not json"],
    ["without an id [B17]", JSON.stringify({ prompt: "x" })],
    ["with a number for an id [R10]", JSON.stringify({ prompt_cache_key: 7 })],
    ["empty", ""],
  ])("is minted for a body that is %s", async (_, body) => {
    const exchange = createHarness().open();
    await exchange.send(posted());
    const [decided] = await exchange.send({
      request_body: { body: Buffer.from(body), end_of_stream: true },
    });
    expect(headersOf(decided)["x-session-id"]).toBe("minted-1");
    expect(headersOf(decided)[DESTINATION]).toBeDefined();
  });

  it("is minted for a body that turns out larger than the limit, which passes unchanged", async () => {
    const exchange = createHarness({ reader: { bodyLimitBytes: 100 } }).open();
    await exchange.send(posted());
    const [decided] = await exchange.send(
      jsonBody({ prompt_cache_key: "k", fill: "x".repeat(100) }),
    );
    expect(headersOf(decided)["x-session-id"]).toBe("minted-1");
    expect(decided?.request_body?.response?.body_mutation ?? undefined).toBeUndefined();
  });

  it("is echoed as a fresh id where Envoy never sent the body that was asked for", async () => {
    const exchange = createHarness().open();
    await exchange.send(posted());
    const [answered] = await exchange.send(responseHeaders());
    expect(headersOf(answered)["x-session-id"]).toBe("minted-1");
  });
});

describe("pools by model", () => {
  const pools = [
    poolOf("small", { "10.0.1.1:80": "ready" }),
    poolOf("large", { "10.0.2.1:80": "ready" }),
  ];
  const models = { "m-small": "small", "m-large": "large" };
  const open = () => createHarness({ pools, models }).open();

  it("are chosen by the header, named for the route, and the route is chosen again", async () => {
    const [reply] = await open().send(posted({ "x-model": "m-large", "x-session-id": "s" }));
    expect(headersOf(reply)).toMatchObject({
      "x-moorline-pool": "large",
      [DESTINATION]: "10.0.2.1:80",
    });
    expect(reply?.request_headers?.response?.clear_route_cache).toBe(true);
  });

  it("are chosen by the body's model where the header is absent, in the body reply", async () => {
    const exchange = open();
    const [asked] = await exchange.send(posted({ "x-session-id": "s" }));
    expect(asked?.mode_override?.request_body_mode).toBe("BUFFERED");
    expect(asked?.request_headers?.response?.header_mutation?.remove_headers).toContain(
      "x-moorline-pool",
    );
    const [reply] = await exchange.send(jsonBody({ model: "m-small" }));
    expect(headersOf(reply)).toMatchObject({
      "x-moorline-pool": "small",
      [DESTINATION]: "10.0.1.1:80",
    });
    expect(reply?.request_body?.response?.clear_route_cache).toBe(true);
  });

  it.each([
    ["an unknown model", { "x-model": "nope" }, "NotFound model_unknown"],
    ["no model and no body", {}, "BadRequest model_missing"],
    ["a model that is no visible ASCII", { "x-model": "a\u00e9" }, "BadRequest model_invalid"],
  ])("refuse %s", async (_, headers, expected) => {
    const [reply] = await open().send(requestHeaders({ "x-session-id": "s", ...headers }));
    expect(`${reply?.immediate_response?.status?.code} ${errorOf(reply).code}`).toBe(expected);
    expect(headersOf(reply)["x-session-id"]).toBe("s");
  });

  it.each([
    ["is no JSON [C4]", Buffer.from("{"), "body_invalid"],
    ["names no model [C5]", Buffer.from("{}"), "model_missing"],
    ["names a model of 257 bytes", Buffer.from(`{"model":"${"m".repeat(257)}"}`), "model_invalid"],
    ["is too large to be read", Buffer.alloc(8 * 1024 * 1024 + 1), "body_too_large"],
  ])("refuse a request whose body %s", async (_, body, code) => {
    const exchange = open();
    await exchange.send(posted({ "x-session-id": "s" }));
    const [reply] = await exchange.send({ request_body: { body, end_of_stream: true } });
    expect(errorOf(reply).code).toBe(code);
  });

  it("keep a session of the same name apart in each pool", async () => {
    const harness = createHarness({ pools, models });
    await harness.open().send(posted({ "x-model": "m-small", "x-session-id": "s" }));
    await harness.open().send(posted({ "x-model": "m-large", "x-session-id": "s" }));
    expect(harness.bindingOf("s", "small")).toMatchObject({ endpoint: "10.0.1.1:80" });
    expect(harness.bindingOf("s", "large")).toMatchObject({ endpoint: "10.0.2.1:80" });
  });
});
