import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { pricesOf } from "../../../src/config/kv-config.ts";
import { priceOf, type Prices } from "../../../src/kv/prediction/price.ts";
import { parse } from "../../support/config-problems.ts";
import { documentTables } from "../../support/document-tables.ts";
import { kvText } from "../../support/kv-config.ts";

const PRICES: Prices = {
  currency: "USD",
  uncachedInput: 3,
  cachedInput: 0.3,
  output: 15,
  writes: [
    { ttlMs: 300_000, price: 0.75 },
    { ttlMs: 3_600_000, price: 3 },
  ],
  storageHour: 1,
  inputIncludesCached: true,
};

const USAGE = {
  promptTokens: 1_000_000,
  cachedTokens: 600_000,
  outputTokens: 100_000,
  storedTokens: 200_000,
  ttlMs: 1_800_000,
};

it("charges each token of the prompt once as input, and storing besides", () => {
  const price = priceOf(USAGE, PRICES);
  expect(price).toEqual({
    currency: "USD",
    total: expect.closeTo(1.2 + 0.18 + 1.5 + 0.6 + 0.1, 12),
    uncachedInput: expect.closeTo(1.2, 12),
    cachedInput: expect.closeTo(0.18, 12),
    output: expect.closeTo(1.5, 12),
    write: expect.closeTo(0.6, 12),
    storage: expect.closeTo(0.1, 12),
    inputTokens: 1_000_000,
  });
});

it("tells input without what was cached where a pool counts it so, and charges the same", () => {
  const { inputTokens, total } = priceOf(USAGE, { ...PRICES, inputIncludesCached: false });
  expect(inputTokens).toBe(400_000);
  expect(total).toBe(priceOf(USAGE, PRICES).total);
});

it.each([
  [1, 0.15],
  [300_000, 0.15],
  [300_001, 0.6],
  [3_600_000, 0.6],
  [86_400_000, 0.6],
])(
  "charges a write for %i ms by the first price that lasts as long, or the last",
  (ttlMs, write) => {
    expect(priceOf({ ...USAGE, ttlMs }, PRICES).write).toBeCloseTo(write, 12);
  },
);

it("charges nothing for writes without prices", () => {
  expect(priceOf(USAGE, { ...PRICES, writes: [] }).write).toBe(0);
});

it("comes to what the example of docs/prediction.md comes to", async () => {
  const text = await readFile(new URL("../../../docs/prediction.md", import.meta.url), "utf8");
  const yaml = /```yaml\n([^`]*)```/.exec(text)?.[1] ?? "";
  const pool = kvText({ turns: JSON.stringify(parseYaml(yaml)).slice(1, -1) });
  const prices = parse(pool).pools.map(pricesOf)[0];
  const usage = { promptTokens: 10_000, cachedTokens: 8000, outputTokens: 500, storedTokens: 2500 };
  const price = prices && priceOf({ ...usage, ttlMs: 3_600_000 }, prices);
  const rows = documentTables(text)("part", "tokens", "price per million");
  const told = rows.map(([part, tokens, , costs]) => [part, tokens, Number(costs)]);
  expect(told).toEqual([
    ["uncached input", "2,000", price?.uncachedInput],
    ["cached input", "8,000", price?.cachedInput],
    ["output", "500", price?.output],
    ["write", "2,500", price?.write],
    ["storage", "2,500", price?.storage],
    ["total", "", expect.closeTo(price?.total ?? NaN, 12)],
  ]);
});
