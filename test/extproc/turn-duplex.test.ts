/** A pool with KV behind an Envoy that streams in full duplex, as gateways of the Endpoint Picker Protocol set it up. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { BodyBudget } from "../../src/extproc/body-budget.ts";
import { DESTINATION, errorOf, headersOf } from "../support/exchange-harness.ts";
import { modes, posted, responseHeaders, streamed } from "../support/exchange-messages.ts";
import { INJECTED, MARKER } from "../support/marked-turns.ts";
import type { ProcessingResponse__Output } from "../support/published-codec.ts";
import { setUpTurns } from "../support/turn-harness.ts";

const duplex = modes("FULL_DUPLEX_STREAMED");
const served = { "response.code_details": "via_upstream", "upstream.address": "10.0.0.1:80" };
const textOf = (replies: readonly ProcessingResponse__Output[]) =>
  replies.map((reply) => streamed(reply)[0]).join("");

async function routed() {
  const turns = setUpTurns();
  await turns.exchange.send(posted({ "x-session-id": "s" }, duplex));
  await turns.body("{}");
  await turns.exchange.send(responseHeaders("200", served));
  const chunk = (text: string, endOfStream = false) =>
    turns.exchange.send({ response_body: { body: Buffer.from(text), end_of_stream: endOfStream } });
  return { ...turns, chunk };
}

describe("a request in full duplex", () => {
  it("is held until its body is whole, then headers and pieces go on as the turn has them", async () => {
    const { exchange, body, ports } = setUpTurns({ bodyLimitBytes: 100_000 });
    expect(await exchange.send(posted({ "x-session-id": "s" }, duplex))).toEqual([]);
    const text = JSON.stringify({ text: "x".repeat(70_000) });
    expect(await body(text.slice(0, 40_000), false)).toEqual([]);
    expect(ports.budget.heldBytes).toBe(40_000);
    const [headers, ...pieces] = await body(text.slice(40_000));
    expect(headersOf(headers)[DESTINATION]).toContain("10.0.0.");
    expect(headers?.request_headers?.response?.header_mutation?.remove_headers).toContain(
      "content-length",
    );
    expect(textOf(pieces)).toBe(`${text.slice(0, -1)}${INJECTED}`);
    expect(pieces.map((piece) => streamed(piece)[1])).toEqual([false, true]);
    expect(ports.budget.heldBytes).toBe(0);
    expect(await body("again")).toEqual([]);
  });

  it("that ends in trailers goes on with them, and no piece says that it ends", async () => {
    const { exchange, body } = setUpTurns();
    await exchange.send(posted({}, duplex));
    await body("{}", false);
    await exchange.send({ request_trailers: {} });
    await setImmediate();
    expect(exchange.replies.map(({ response }) => response)).toEqual([
      "request_headers",
      "request_body",
      "request_trailers",
    ]);
    expect(streamed(exchange.replies[1])).toEqual([`{${INJECTED}`, false]);
  });

  it.each([
    ["the pool's limit", "body_too_large", [{ bodyLimitBytes: 9 }, 100]],
    ["the budget", "body_budget_full", [{}, 9]],
  ] as const)("is refused as soon as it is over %s: %s", async (_, code, [kv, budgetBytes]) => {
    const budget = new BodyBudget(budgetBytes);
    const { exchange, body, turns } = setUpTurns(kv, { ports: { budget } });
    await exchange.send(posted({}, duplex));
    expect(await body("123456789", false)).toEqual([]);
    const [reply] = await body("0", false);
    expect(errorOf(reply).code).toBe(code);
    expect([turns.log, budget.heldBytes]).toEqual([[], 0]);
    expect(await body("more")).toEqual([]);
  });

  it("is refused where the response would not be shown", async () => {
    const { exchange, events } = setUpTurns();
    const [reply] = await exchange.send(posted({}, modes("FULL_DUPLEX_STREAMED", "NONE")));
    expect(errorOf(reply).code).toBe("internal_error");
    expect(events.join()).toContain("response_body_mode");
  });

  it("gives its bytes back when the client leaves", async () => {
    const { exchange, body, ports } = setUpTurns();
    await exchange.send(posted({}, duplex));
    await body("x", false);
    exchange.exchange.cancel();
    expect(ports.budget.heldBytes).toBe(0);
  });
});

describe("a response in full duplex", () => {
  it("goes on in pieces of what the filter lets go, and nothing where it holds all", async () => {
    const { chunk, turns } = await routed();
    expect(textOf(await chunk("data: 1\n\n"))).toBe("data: 1\n\n");
    expect(await chunk(MARKER.slice(0, 9))).toEqual([]);
    expect(textOf(await chunk(`${MARKER.slice(9)}data: {`))).toBe("");
    expect((await chunk("", true)).map(streamed)).toEqual([["data: {", true]]);
    expect(turns.log.at(-1)).toBe("end");
    expect(await chunk("", true)).toEqual([]);
  });

  it("that ends in trailers brings what is held before them", async () => {
    const { chunk, exchange } = await routed();
    await chunk("data: {");
    const [piece, trailers] = await exchange.send({ response_trailers: {} });
    expect([streamed(piece), trailers?.response]).toEqual([
      ["data: {", false],
      "response_trailers",
    ]);
  });

  it("that is no turn's passes byte for byte", async () => {
    const { exchange, body } = setUpTurns();
    await exchange.send(posted({}, duplex));
    await body("{}");
    await exchange.send(responseHeaders("404", served));
    const replies = await exchange.send({
      response_body: { body: Buffer.from(MARKER), end_of_stream: true },
    });
    expect(replies.map(streamed)).toEqual([[MARKER, true]]);
  });
});
