/** A request of which the body may have to say which pool it goes to, with KV or without. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { errorOf, headersOf, poolOf, threeReady } from "../support/exchange-harness.ts";
import { posted } from "../support/exchange-messages.ts";
import { INJECTED } from "../support/marked-turns.ts";
import { bodyOf, setUpTurns } from "../support/turn-harness.ts";

describe("among several pools", () => {
  const pools = [poolOf("small", { "10.0.1.1:80": "ready" }), poolOf("large", threeReady)];
  const models = { s: "small", l: "large" };
  const several = () => setUpTurns({ pools: ["large"] }, { pools, models });

  it("a body whose model leads to a pool with KV is its turn, with the pool for Envoy's route", async () => {
    const { exchange, body, turns } = several();
    await exchange.send(posted());
    const replies = await body('{"model":"l"}');
    expect(bodyOf(replies.at(-1))).toContain(INJECTED);
    expect(headersOf(replies.at(-1))["x-moorline-pool"]).toBe("large");
    expect(replies.at(-1)?.request_body?.response?.clear_route_cache).toBe(true);
    expect(turns.log).toEqual(["read /generate", "begin minted-1"]);
  });

  it("a body whose model leads to another pool passes as it is, without a hold", async () => {
    const { exchange, body, turns } = several();
    await exchange.send(posted());
    const [reply, ...more] = await body('{"model":"s"}');
    expect([bodyOf(reply), more, turns.log]).toEqual(['{"model":"s"}', [], []]);
    expect(headersOf(reply)).toMatchObject({ "x-moorline-pool": "small", "content-length": "13" });
  });

  it("a body whose model leads to a pool where its path passes goes on as it is", async () => {
    const both = { pools: ["small", "large"], passPaths: { small: ["/generate?x=1"] } };
    const { exchange, body, turns } = setUpTurns(both, { pools, models });
    await exchange.send(posted());
    expect((await body('{"model":"s"}')).map(bodyOf)).toEqual(['{"model":"s"}']);
    expect(turns.log).toEqual([]);
  });

  it("a body over the limit is refused where its model leads to a pool with KV, and there alone", async () => {
    for (const model of ["s", "l"]) {
      const { exchange, body } = several();
      const text = JSON.stringify({ model, text: "x".repeat(1024) });
      await exchange.send(posted({ "content-length": String(text.length) }));
      const [reply] = await body(text);
      expect(reply?.response).toBe(model === "s" ? "request_body" : "immediate_response");
    }
  });

  it("a body that may go to several pools with KV is held to the limit of the one that it goes to", async () => {
    const both = { pools: ["small", "large"], bodyLimits: { small: 4096, large: 2048 } };
    for (const [model, log] of [
      ["s", ["read /generate", "begin minted-1"]],
      ["l", []],
    ] as const) {
      const ports = { bodyLimitBytes: 1024 };
      const { exchange, body, turns } = setUpTurns(both, { pools, models, ports });
      const text = JSON.stringify({ model, text: "x".repeat(3000) });
      await exchange.send(posted({ "content-length": String(text.length) }));
      await body(text);
      expect(turns.log).toEqual(log);
    }
  });

  it.each([
    ['{"model":"unknown"}', "model_unknown"],
    ["{}", "model_missing"],
    ["no json", "body_invalid"],
  ])("the body %s is refused: %s", async (text, code) => {
    const { exchange, body } = several();
    await exchange.send(posted());
    expect(errorOf((await body(text)).at(-1)).code).toBe(code);
  });

  it("a long body is read in slices, also where it has to say which pool it goes to", async () => {
    const { exchange, body, clock } = several();
    await exchange.send(posted());
    const text = `{"model":"s","a":[${"1,".repeat(20_000)}1]}`;
    expect(await body(text)).toEqual([]);
    await clock.advance(1);
    await setImmediate();
    expect(bodyOf(exchange.replies.at(-1))).toBe(text);
  });

  it("a client that leaves while its body is read hears nothing, and leaves nothing behind", async () => {
    const large = { pools: ["large"], bodyLimitBytes: 100_000 };
    const { exchange, body, clock, ports, turns } = setUpTurns(large, { pools, models });
    await exchange.send(posted());
    const asked = exchange.replies.length;
    await body(`{"model":"l","a":[${"1,".repeat(20_000)}1]}`);
    exchange.exchange.cancel();
    await clock.advance(1);
    await setImmediate();
    expect(exchange.replies.length).toBe(asked);
    expect(turns.log.filter((line) => line.startsWith("begin"))).toEqual([]);
    expect(ports.budget.heldBytes).toBe(0);
  });

  it("a model in the headers decides at once whose the body is", async () => {
    const plain = several();
    await plain.exchange.send(posted({ "x-model": "s", "x-session-id": "s" }));
    expect(headersOf(plain.exchange.replies[0])["x-moorline-pool"]).toBe("small");
    const kv = several();
    await kv.exchange.send(posted({ "x-model": "l", "x-session-id": "s" }));
    expect(kv.exchange.replies[0]?.mode_override?.request_body_mode).toBe("BUFFERED");
  });
});
