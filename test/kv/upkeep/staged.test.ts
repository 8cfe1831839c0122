/** What saves and restores left behind that a crash cut off, and the stock-taking that finds it. */
import { readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { DirectoryLocation } from "../../../src/kv/locations/directory.ts";
import type { StockTake } from "../../../src/kv/upkeep/keeper-observer.ts";
import { StockTaker } from "../../../src/kv/upkeep/stock-taker.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { createRoot, openAt } from "../locations/roots.ts";

const HOUR_MS = 3_600_000;
const INTERVAL_MS = 600_000;

let root: Awaited<ReturnType<typeof createRoot>>;
let location: DirectoryLocation;
let aheadMs: number;
let stocks: StockTake[];
let clock: FakeClock;
let taker: StockTaker;

beforeEach(async () => {
  aheadMs = 0;
  stocks = [];
  clock = new FakeClock();
  root = await createRoot();
  location = await openAt(root.path, { nowMs: () => Date.now() + aheadMs });
  taker = new StockTaker({
    catalog: await openCatalog(new MemoryStore()),
    locations: [location],
    clock,
    observer: { stockTaken: (stock) => stocks.push(stock), orphan: () => {} },
    limit: 100,
    intervalMs: INTERVAL_MS,
    leftoverMs: 60_000,
  });
  await writeFile(join(location.staging.path, "save.slot"), "half of a sa");
});
afterEach(async () => {
  await location.close();
  await root.remove();
});

const left = (): Promise<string[]> => readdir(location.staging.path);

it("is gone an hour after its last change, at the first round after that, and counted", async () => {
  aheadMs = HOUR_MS - 60_000;
  await taker.pass(0);
  expect(await left()).toEqual(["save.slot"]);
  aheadMs = HOUR_MS + 60_000;
  await taker.pass(0);
  expect(await left()).toEqual(["save.slot"]);
  await clock.advance(INTERVAL_MS);
  await taker.pass(0);
  expect(await left()).toEqual([]);
  expect(stocks).toMatchObject([
    { leftovers: 0, discarded: 0 },
    { leftovers: 1, discarded: 1 },
  ]);
});

it("is told of where it cannot be looked at, and stock is taken of the objects all the same", async () => {
  await rm(location.staging.path, { recursive: true });
  await symlink(root.path, location.staging.path);
  await writeFile(join(root.path, "save.slot"), "outside of the folder");
  aheadMs = HOUR_MS + 60_000;
  await expect(taker.pass(0)).rejects.toMatchObject({ code: "not_ours" });
  expect(stocks).toMatchObject([{ foreign: 2 }]);
  expect(await readdir(root.path)).toContain("save.slot");
});
