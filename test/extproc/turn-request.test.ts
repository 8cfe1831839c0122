/** A request for a pool with KV: what is asked of Envoy, what the pool is shown, and what goes to the engine. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { BodyBudget } from "../../src/extproc/body-budget.ts";
import {
  DESTINATION,
  errorOf,
  headersOf,
  metadataDestination,
  requestHeaders,
} from "../support/exchange-harness.ts";
import { posted, responseHeaders } from "../support/exchange-messages.ts";
import { FORBIDDEN_PATH, INJECTED } from "../support/marked-turns.ts";
import { bodyOf, setUpTurns } from "../support/turn-harness.ts";

const removedAlways = [
  "content-length",
  "content-encoding",
  "accept-encoding",
  "x-moorline-kv",
  "x-moorline-class",
  "x-moorline-prefetch",
  "x-session-final",
];

describe("the headers of a request with a body", () => {
  it("are answered with what the body will no more be, and ask for both bodies in one override", async () => {
    const { exchange } = setUpTurns();
    const [reply, ...more] = await exchange.send(posted({ "content-length": "9" }));
    expect(more).toEqual([]);
    expect(reply?.mode_override).toMatchObject({
      request_header_mode: "SEND",
      response_header_mode: "SEND",
      request_body_mode: "BUFFERED",
      response_body_mode: "STREAMED",
      request_trailer_mode: "SKIP",
      response_trailer_mode: "SEND",
    });
    const removed = reply?.request_headers?.response?.header_mutation?.remove_headers ?? [];
    expect(removed.toSorted()).toEqual(
      [...removedAlways, DESTINATION, "x-moorline-pool"].toSorted(),
    );
    expect(headersOf(reply)).toEqual({});
  });

  it.each([
    ["a content-encoding", { "content-encoding": "gzip" }, ["body_encoded", ""]],
    ["a length over the limit", { "content-length": "1025" }, ["body_too_large", "1024"]],
    ["a protocol in place of a body", { upgrade: "websocket" }, ["upgrade_refused", "protocol"]],
    ["a tunnel in place of a body", { ":method": "CONNECT" }, ["upgrade_refused", "protocol"]],
  ] as const)(
    "with %s are refused at once, and nothing is read",
    async (_, headers, [code, named]) => {
      const { exchange, turns, ports } = setUpTurns();
      const [reply] = await exchange.send(posted({ "x-session-id": "s", ...headers }));
      expect(errorOf(reply)).toMatchObject({ code, message: expect.stringContaining(named) });
      expect(headersOf(reply)["x-session-id"]).toBe("s");
      expect([turns.log, ports.budget.heldBytes]).toEqual([[], 0]);
    },
  );

  it("are refused on a path that no client may use, without a body at once and with one before it goes on", async () => {
    const path = { ":path": `${FORBIDDEN_PATH}?action=save` };
    const [alone] = await setUpTurns().exchange.send(requestHeaders(path));
    expect(errorOf(alone)).toMatchObject({ code: "path_forbidden" });
    const { exchange, body, turns } = setUpTurns();
    await exchange.send(posted(path));
    expect(errorOf((await body("{}")).at(-1))).toMatchObject({ code: "path_forbidden" });
    expect(turns.requests).toEqual([]);
  });

  it.each([
    ["an announced length", { "content-length": "1000" }, 1000],
    ["the limit where none is announced", {}, 1024],
  ])("take %s from the budget, and are refused where it is full", async (_, headers, bytes) => {
    for (const spare of [bytes, bytes - 1]) {
      const { exchange, ports } = setUpTurns({}, { ports: { budget: new BodyBudget(spare) } });
      const [reply] = await exchange.send(posted(headers));
      expect(ports.budget.heldBytes).toBe(spare === bytes ? bytes : 0);
      expect(reply?.response).toBe(spare === bytes ? "request_headers" : "immediate_response");
      exchange.exchange.cancel();
      expect(ports.budget.heldBytes).toBe(0);
    }
  });

  it.each([
    ["without a body", requestHeaders({ "x-session-id": "s" })],
    ["on a path that passes", posted({ "x-session-id": "s", ":path": "/free?x=1" })],
  ])("%s are routed at once, as in any pool", async (_, message) => {
    const { exchange, turns } = setUpTurns({ passPaths: { default: ["/free?x=1"] } });
    const [reply] = await exchange.send(message);
    expect(headersOf(reply)[DESTINATION]).toContain("10.0.0.");
    expect(reply?.mode_override ?? undefined).toBeUndefined();
    expect(turns.log).toEqual([]);
  });

  it("on a path that is only like one that passes do not pass", async () => {
    const { exchange } = setUpTurns({ passPaths: { default: ["/free"] } });
    const [reply] = await exchange.send(posted({ ":path": "/free?x=1" }));
    expect(reply?.mode_override?.request_body_mode).toBe("BUFFERED");
  });
});

describe("a body", () => {
  it("holds Envoy first, in a message of its own, then goes on as the turn has it", async () => {
    const { exchange, body, turns, ports } = setUpTurns();
    await exchange.send(posted({ "x-session-id": "s" }));
    const [hold, reply, ...more] = await body('{"a":1}');
    expect(more).toEqual([]);
    expect(hold?.response).toBeUndefined();
    expect(hold?.override_message_timeout).toEqual({ seconds: 2, nanos: 500_000_000 });
    expect(bodyOf(reply)).toBe(`{"a":1${INJECTED}`);
    const set = headersOf(reply);
    expect(set).toMatchObject({
      "x-session-id": "s",
      "content-length": String(6 + INJECTED.length),
    });
    expect(set[DESTINATION]).toBe(metadataDestination(reply));
    expect(turns.log).toEqual(["read /generate", "begin s"]);
    expect(ports.budget.heldBytes).toBe(0);
  });

  it("is taken without an end of stream, and what says only that passes", async () => {
    const { exchange, body } = setUpTurns();
    await exchange.send(posted());
    expect((await body("{}", false)).map(bodyOf)).toEqual([undefined, `{${INJECTED}`]);
    const [reply, ...more] = await body("", true);
    expect([reply?.response, bodyOf(reply), more]).toEqual(["request_body", undefined, []]);
  });

  it("that comes in parts is refused: the rest would go unread", async () => {
    const { exchange, body, events } = setUpTurns();
    await exchange.send(posted());
    await body("{}", false);
    const [reply] = await body("more");
    expect(errorOf(reply).code).toBe("internal_error");
    expect(events[0]).toContain("failed envoy_unsuited");
  });

  it("that is empty passes unread", async () => {
    const { exchange, body, turns } = setUpTurns();
    await exchange.send(posted());
    const [reply, ...more] = await body("");
    expect([headersOf(reply)["content-length"], bodyOf(reply), more]).toEqual(["0", "", []]);
    expect(turns.log).toEqual([]);
  });

  it("over the limit is refused, whatever its headers said", async () => {
    for (const size of [1024, 1025]) {
      const { exchange, body, turns } = setUpTurns();
      await exchange.send(posted());
      const replies = await body(`"${"x".repeat(size - 2)}"`);
      const last = replies.at(-1)?.response;
      expect(last).toBe(size === 1024 ? "request_body" : "immediate_response");
      expect(turns.log.length).toBe(size === 1024 ? 2 : 0);
    }
  });

  it("that cannot be read is a 400 that names the offset, and binds nothing", async () => {
    const { exchange, body, bindingOf } = setUpTurns();
    await exchange.send(posted({ "x-session-id": "s" }));
    const replies = await body(Buffer.from([0x7b, 0xff]));
    const error = errorOf(replies.at(-1));
    expect(error).toMatchObject({
      code: "body_invalid",
      message: expect.stringContaining("offset 1"),
    });
    expect(bindingOf("s")).toBeUndefined();
  });

  it("gives the turn its session, its endpoints and what the headers ask for", async () => {
    const { exchange, body, turns } = setUpTurns();
    const asked = {
      "x-moorline-class": " premium ",
      "x-moorline-prefetch": " next ",
      "x-session-final": "TRUE",
      "x-tenant": "t",
    };
    await exchange.send(posted(asked));
    const replies = await body('{"prompt_cache_key":"from-body"}');
    const [request] = turns.requests;
    expect(request).toMatchObject({
      session: { tenant: "t", id: "from-body" },
      retentionClass: "premium",
      isFinal: true,
      prefetch: { tenant: "t", id: "next" },
    });
    const offered = [request?.endpoint, ...(request?.fallbacks ?? [])];
    expect(headersOf(replies.at(-1))[DESTINATION]).toBe(
      offered.map((endpoint) => endpoint?.address).join(),
    );
  });

  it.each([
    ["of 256 bytes", "n".repeat(256), { tenant: "t", id: "n".repeat(256) }],
    ["of more", "n".repeat(257), undefined],
    ["of none", " ", undefined],
  ])("has the session of a name %s brought near, if it can be one", async (_, name, prefetch) => {
    const { exchange, body, turns } = setUpTurns();
    await exchange.send(posted({ "x-moorline-prefetch": name, "x-tenant": "t" }));
    await body("{}");
    expect(turns.requests.map((request) => request.prefetch)).toEqual([prefetch]);
  });

  it.each([
    ["with a length", { "content-length": "31" }],
    ["without a length", {}],
  ])(
    "over the limit of other pools, but not of its own, is read for its session id, %s",
    async (_, headers) => {
      const { exchange, body, turns, decided } = setUpTurns({}, { reader: { bodyLimitBytes: 30 } });
      await exchange.send(posted(headers));
      await body('{"prompt_cache_key":"from-body"}');
      expect(turns.log).toContain("begin from-body");
      expect(decided).toMatchObject([{ source: "body", bodyObstacle: undefined }]);
    },
  );

  it.each([
    ["no header", {}, false],
    ["0", { "x-session-final": "0" }, false],
    ["1", { "x-session-final": "1" }, true],
  ])("ends its session by %s: %o is %s", async (_, headers, isFinal) => {
    const { exchange, body, turns } = setUpTurns();
    await exchange.send(posted(headers));
    await body("{}");
    expect(turns.requests[0]).toMatchObject({ isFinal, retentionClass: undefined });
  });

  it("is offered to those endpoints only that the turn leaves", async () => {
    const { exchange, body, turns } = setUpTurns();
    turns.fallbacks = [];
    await exchange.send(posted());
    const replies = await body("{}");
    expect(headersOf(replies.at(-1))[DESTINATION]).toBe(turns.requests[0]?.endpoint.address);
  });
});

describe("a client that leaves", () => {
  it.each(["cancel", "end"] as const)(
    "while its body is held (%s) is heard at once, and its turn is abandoned when it is there",
    async (how) => {
      const { exchange, body, turns, ports } = setUpTurns();
      const gate = Promise.withResolvers<void>();
      turns.gate = gate.promise;
      await exchange.send(posted());
      expect(await body("{}")).toHaveLength(1); // the hold
      expect(ports.budget.heldBytes).toBe(2);
      exchange.exchange[how]();
      gate.resolve();
      await setImmediate();
      expect(turns.log.at(-1)).toBe("abandon");
      expect([exchange.replies.length, ports.budget.heldBytes]).toEqual([2, 0]);
    },
  );

  it("before the response abandons its turn, once, and is told to whoever plans it", async () => {
    const { exchange, body, turns } = setUpTurns();
    await exchange.send(posted());
    await body("{}");
    expect(turns.requests[0]?.signal.aborted).toBe(false);
    exchange.exchange.end();
    expect(turns.requests[0]?.signal.aborted).toBe(true);
    exchange.exchange.cancel();
    expect(turns.log.filter((line) => line === "abandon")).toHaveLength(1);
  });
});

describe("an Envoy that is set up wrongly", () => {
  it("and answers without having shown the body gives the client a 503, and the log a hint", async () => {
    const { exchange, events } = setUpTurns();
    await exchange.send(posted());
    const details = { "response.code_details": "via_upstream", "upstream.address": "10.0.0.1:80" };
    const [reply] = await exchange.send(responseHeaders("200", details));
    expect(errorOf(reply).code).toBe("body_unread");
    expect(events.join()).toMatch(/envoy_unsuited: .*allow_mode_override/);
  });

  it("and sends no request headers is refused, where any pool has KV", async () => {
    const { body, events } = setUpTurns();
    const [reply] = await body("{}");
    expect(errorOf(reply).code).toBe("internal_error");
    expect(events.join()).toContain("request_header_mode");
  });

  it("is not blamed for an answer of its own before it has shown any request", async () => {
    const { exchange, events } = setUpTurns();
    const local = { "response.code_details": "path_normalization_failed" };
    expect((await exchange.send(responseHeaders("400", local)))[0]?.response).toBe(
      "response_headers",
    );
    const real = setUpTurns();
    const [reply] = await real.exchange.send(responseHeaders("200", {}));
    expect([events, errorOf(reply).code]).toEqual([[], "internal_error"]);
  });

  it("is not blamed for an answer of its own while the body is held", async () => {
    const { exchange, body, turns, ports } = setUpTurns();
    const gate = Promise.withResolvers<void>();
    turns.gate = gate.promise;
    await exchange.send(posted());
    await body("{}");
    const [reply] = await exchange.send(
      responseHeaders("408", { "response.code_details": "stream_idle_timeout" }),
    );
    expect(headersOf(reply)).toEqual({ "x-session-id": "minted-1" });
    const [chunk] = await exchange.send({
      response_body: { body: Buffer.from("x"), end_of_stream: true },
    });
    expect([chunk?.response, bodyOf(chunk)]).toEqual(["response_body", undefined]);
    gate.resolve();
    await setImmediate();
    expect(turns.log.at(-1)).toBe("abandon");
    expect(ports.budget.heldBytes).toBe(0);
  });
});
