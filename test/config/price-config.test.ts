import { describe, expect, it } from "vitest";
import { pricesOf } from "../../src/config/kv-config.ts";
import { parse, problemsOf } from "../support/config-problems.ts";
import { kvText } from "../support/kv-config.ts";

const NEEDED = "currency: USD, uncachedInput: 3, output: 15";

describe("prices of a pool", () => {
  const textOf = (prices: string) => kvText({ turns: `prices: { ${prices} }` });
  const problemsWith = (prices: string) => problemsOf(textOf(prices));
  const read = (text: string) => parse(text).pools.map(pricesOf);

  it("are none unless they are given", () => {
    expect(read(kvText({}))).toEqual([undefined]);
    expect(read('pools: [{ name: default, endpoints: ["10.0.0.1:8000"] }]')).toEqual([undefined]);
  });

  it("charge what is cached as other input, and storing with nothing, unless they say so", () => {
    const prices = {
      currency: "USD",
      uncachedInput: 3,
      cachedInput: 3,
      output: 15,
      writes: [],
      storageHour: 0,
      inputIncludesCached: true,
    };
    expect(read(textOf(NEEDED))).toEqual([prices]);
    const free = { ...prices, cachedInput: 0 };
    expect(read(textOf(`${NEEDED}, cachedInput: 0`))).toEqual([free]);
  });

  it("need no dialect", () => {
    expect(problemsWith(NEEDED)).toEqual([]);
  });

  it("keep within their limits", () => {
    const within = "writes: [{ ttlMs: 1000, price: 0 }, { ttlMs: 1001, price: 1000000 }]";
    expect(problemsWith(`${NEEDED}, ${within}`)).toEqual([]);
    const beyond = `uncachedInput: -1, output: 1000001, storageHour: .nan, euros: 1`;
    expect(problemsWith(`currency: "a b", ${beyond}, writes: [{ ttlMs: 999 }]`)).toEqual([
      'pools[0].kv.prices.currency "a b" must be 1..16 visible ASCII characters',
      "pools[0].kv.prices.uncachedInput -1 must be >= 0",
      "pools[0].kv.prices.output 1000001 must be <= 1000000",
      "pools[0].kv.prices.writes[0].ttlMs 999 must be >= 1000",
      "pools[0].kv.prices.writes[0].price is required",
      "pools[0].kv.prices.storageHour NaN must be a number",
      "pools[0].kv.prices.euros is not a known key",
    ]);
    expect(problemsWith("currency: USD")).toEqual([
      "pools[0].kv.prices.uncachedInput is required",
      "pools[0].kv.prices.output is required",
    ]);
  });

  it("have writes by the time that they buy, shortest first", () => {
    const writes = "[{ ttlMs: 5000, price: 1 }, { ttlMs: 5000, price: 2 }]";
    expect(problemsWith(`${NEEDED}, writes: ${writes}`)).toEqual([
      "pools[0].kv.prices.writes[1].ttlMs 5000 must be > 5000, the one before",
    ]);
  });
});
