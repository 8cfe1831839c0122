/** The response to a turn: what the turn is told, what the client gets, and what a fault does to it. */
import { describe, expect, it } from "vitest";
import { errorOf, headersOf } from "../support/exchange-harness.ts";
import { posted } from "../support/exchange-messages.ts";
import { MARKER, type Fault } from "../support/marked-turns.ts";
import { headerMap, struct } from "../support/published-codec.ts";
import { bodyOf, setUpTurns } from "../support/turn-harness.ts";

const served = {
  "upstream.address": "10.0.0.1:80",
  "upstream.request_attempt_count": 1,
  "response.code_details": "via_upstream",
};

function answered(
  headers: Readonly<Record<string, string>> = {},
  attributes: Readonly<Record<string, string | number>> = served,
  endOfStream = false,
) {
  return {
    response_headers: {
      headers: headerMap({ ":status": "200", "content-type": "text/event-stream", ...headers }),
      end_of_stream: endOfStream,
    },
    attributes: { "envoy.filters.http.ext_proc": struct(attributes) },
  };
}

/** An exchange whose body has gone to the engine. */
async function routed(headers: Readonly<Record<string, string>> = {}) {
  const turns = setUpTurns();
  await turns.exchange.send(posted({ "x-session-id": "s", ...headers }));
  await turns.body("{}");
  turns.turns.log.length = 0;
  const { exchange } = turns;
  const chunk = (text: string, endOfStream = false) =>
    exchange.send({ response_body: { body: Buffer.from(text), end_of_stream: endOfStream } });
  return { ...turns, chunk };
}

describe("response headers", () => {
  it("tell the turn who served and what comes; their length goes, the session's id comes", async () => {
    const { exchange, turns } = await routed();
    const [reply, ...more] = await exchange.send(answered());
    expect(turns.log).toEqual(["answer 200 text/event-stream plain 10.0.0.1:80 1"]);
    expect(headersOf(reply)).toEqual({ "x-session-id": "s" });
    expect(reply?.response_headers?.response?.header_mutation?.remove_headers).toEqual([
      "content-length",
    ]);
    expect(more).toEqual([]);
  });

  it("of an answer that nobody may see are a 502 in its place", async () => {
    const { exchange, turns, events } = await routed();
    const [reply, ...more] = await exchange.send(answered({ "content-encoding": "br" }));
    expect(errorOf(reply)).toEqual({
      code: "answer_encoded",
      message: "the engine's answer has a content-encoding, though none was asked for",
    });
    expect(headersOf(reply)).toMatchObject({ "x-session-id": "s" });
    expect(more).toEqual([]);
    expect(turns.log[0]).toBe("withhold br");
    expect(events).toContain("refused answer_encoded");
    expect(exchange.isFailed()).toBe(false);
  });

  it("say what was reused where the request asks", async () => {
    const { exchange } = await routed({ "x-moorline-kv": "" });
    const [reply] = await exchange.send(answered());
    expect(headersOf(reply)["x-moorline-kv"]).toBe("reused=64");
  });

  it.each([
    ["Envoy itself answers", { ...served, "response.code_details": "response_timeout" }],
    ["nobody says who", {}],
  ])("name nobody where %s", async (_, attributes) => {
    const { exchange, turns } = await routed();
    await exchange.send(answered({ ":status": "504" }, attributes));
    expect(turns.log[0]).toContain("answer 504 text/event-stream plain nobody");
  });

  it("of an answer that is no turn's leave it as it is, and its turn is over", async () => {
    const { exchange, chunk, turns } = await routed();
    const [reply] = await exchange.send(answered({ ":status": "500" }));
    expect(reply?.response_headers?.response?.header_mutation?.remove_headers ?? []).toEqual([]);
    const [passed] = await chunk(MARKER, true);
    expect([passed?.response, bodyOf(passed)]).toEqual(["response_body", undefined]);
    exchange.exchange.end();
    expect(turns.log).toHaveLength(1);
  });

  it("that are all of the answer end the turn", async () => {
    const { exchange, turns } = await routed();
    expect(await exchange.send(answered({}, served, true))).toHaveLength(1);
    exchange.exchange.end();
    expect(turns.log.slice(1)).toEqual(["end"]);
  });

  it("correct the binding where a fallback served, as in any pool", async () => {
    const { exchange, turns, bindingOf } = await routed();
    const fallback = turns.requests[0]?.fallbacks[0]?.address ?? "";
    const moved = { "upstream.address": fallback, "upstream.request_attempt_count": 2 };
    await exchange.send(answered({}, { ...served, ...moved }));
    expect(turns.log[0]).toContain(`${fallback} 2`);
    expect(bindingOf("s")).toMatchObject({ endpoint: fallback, reason: "moved" });
  });
});

describe("chunks of the response", () => {
  it("get exactly one reply each, in order, of what the filter lets go", async () => {
    const { exchange, chunk, turns } = await routed();
    await exchange.send(answered());
    const texts: (string | undefined)[] = [];
    for (const text of ["data: 1\n\n", MARKER.slice(0, 9), MARKER.slice(9), "data: 2"]) {
      const [reply, ...more] = await chunk(text);
      texts.push(bodyOf(reply));
      expect(more).toEqual([]);
    }
    expect(texts).toEqual(["data: 1\n\n", "", "", "data: 2"]);
    expect((await chunk("", true)).map(bodyOf)).toEqual([""]);
    expect(turns.log.slice(1)).toEqual(["end"]);
  });

  it("bring what is held at the end, and the turn is not abandoned after it", async () => {
    const { exchange, chunk, turns } = await routed();
    await exchange.send(answered());
    expect((await chunk("data: {")).map(bodyOf)).toEqual([""]);
    expect((await chunk("", true)).map(bodyOf)).toEqual(["data: {"]);
    exchange.exchange.end();
    exchange.exchange.cancel();
    expect(turns.log.slice(1)).toEqual(["end"]);
  });

  it.each(["end", "cancel"] as const)(
    "that stop before their end (%s) abandon the turn",
    async (how) => {
      const { exchange, chunk, turns } = await routed();
      await exchange.send(answered());
      await chunk("data: 1\n\n");
      exchange.exchange[how]();
      expect(turns.log.slice(1)).toEqual(["abandon"]);
    },
  );

  it("that are followed by trailers have ended, unless the filter still holds some", async () => {
    const whole = await routed();
    await whole.exchange.send(answered());
    await whole.chunk("data: 1\n\n");
    const [reply] = await whole.exchange.send({ response_trailers: {} });
    expect([reply?.response, whole.turns.log.at(-1)]).toEqual(["response_trailers", "end"]);
    const cut = await routed();
    await cut.exchange.send(answered());
    await cut.chunk("data: {");
    await cut.exchange.send({ response_trailers: {} });
    expect(cut.exchange.isFailed()).toBe(true);
  });
});

describe("a fault of ours", () => {
  it.each([
    ["readBody", "open"],
    ["begin", "open"],
    ["begin", "refuse"],
  ] as const)("in %s is a 503, with onError: %s", async (fault, onError) => {
    const { exchange, body, turns, events, ports } = setUpTurns({}, { ports: { onError } });
    turns.fault = fault;
    await exchange.send(posted());
    const replies = await body("{}");
    expect(errorOf(replies.at(-1))).toEqual({
      code: "internal_error",
      message: "Moorline could not serve the request",
    });
    expect(events).toEqual([`failed internal: a bug in ${fault}`, "refused internal_error"]);
    expect([exchange.isEnded(), exchange.isFailed(), ports.budget.heldBytes]).toEqual([
      false,
      false,
      0,
    ]);
  });

  it("in the decision is a 503, and no turn was begun", async () => {
    const wrapRoute = () => () => Promise.reject(new Error("boom"));
    const { exchange, body, turns } = setUpTurns({}, { wrapRoute });
    await exchange.send(posted());
    expect(errorOf((await body("{}")).at(-1)).code).toBe("internal_error");
    expect(turns.requests).toEqual([]);
  });

  it("at the response headers is a 503, and the turn is abandoned", async () => {
    const { exchange, turns } = await routed();
    turns.fault = "answer";
    const [reply] = await exchange.send(answered());
    expect(errorOf(reply).code).toBe("internal_error");
    expect([exchange.isEnded(), exchange.isFailed(), turns.log]).toEqual([
      false,
      false,
      ["abandon"],
    ]);
  });

  const faults: readonly (readonly [string, Fault | undefined, Buffer | undefined])[] = [
    ["in the filter", "push", undefined],
    ["in a message that cannot be read", undefined, Buffer.from([0xff, 0xff, 0xff])],
  ];
  it.each(faults)(
    "in mid-response, %s, breaks it off; it never ends well",
    async (_, fault, bytes) => {
      const { exchange, chunk, turns } = await routed();
      await exchange.send(answered());
      await chunk("data: 1\n\n");
      turns.fault = fault;
      if (bytes === undefined) await chunk("data: 2\n\n");
      else await exchange.exchange.message(bytes);
      expect(exchange.replies.at(-1)?.response).toBe("immediate_response");
      expect([exchange.isFailed(), exchange.isEnded()]).toEqual([true, false]);
      expect(turns.log.at(-1)).toBe("abandon");
      expect(await chunk("data: 3\n\n")).toEqual([]);
    },
  );

  it("before anything is known of the request is a 503 where any pool has KV", async () => {
    const { exchange } = setUpTurns();
    await exchange.exchange.message(Buffer.from([0xff, 0xff, 0xff]));
    expect(errorOf(exchange.replies[0]).code).toBe("internal_error");
    expect(exchange.isEnded()).toBe(false);
  });
});
