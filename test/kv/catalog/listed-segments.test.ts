/** More segments than are looked at in one piece, in a catalog in memory. */
import { beforeEach, expect, it } from "vitest";

import { LISTED_AT_ONCE } from "../../../src/kv/catalog/listed-segments.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { CatalogStore, CatalogView } from "../../../src/kv/catalog/transaction.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { key, KvDesk } from "../../support/kv-desk.ts";

const MANY = 2 * LISTED_AT_ONCE + 1;

/** Tells how many records each look asked for. */
function counting(store: CatalogStore, looks: number[]): CatalogStore {
  return {
    read: (view) =>
      store.read((seen) => {
        let records = 0;
        const get: CatalogView["get"] = (at) => {
          records++;
          return seen.get(at);
        };
        const found = view({ get, range: (range) => seen.range(range) });
        looks.push(records);
        return found;
      }),
    write: (rule) => store.write(rule),
    close: () => store.close(),
  };
}

let looks: number[];
let desk: KvDesk;
let ids: readonly SegmentId[];

beforeEach(async () => {
  looks = [];
  desk = new KvDesk(await openCatalog(counting(new MemoryStore(), looks)));
  const stored: SegmentId[] = [];
  for (let n = 0; n < MANY; n++) {
    await desk.create(`one-${n}`);
    stored.push(segmentId((await desk.store(`one-${n}`, String(n).padStart(4, "0"))).turn, 0));
  }
  ids = stored;
  await attachAll();
  looks.length = 0;
});

async function attachAll(): Promise<void> {
  await desk.create("all");
  for (let from = 0; from < MANY; from += 64) await desk.attach("all", ids.slice(from, from + 64));
}

const listed = async () => (await desk.catalog.segments(key("all"))).map(({ id }) => id);

it("are all there, and no look is at more than a page of them", async () => {
  expect((await listed()).toSorted()).toEqual(ids.toSorted());
  expect(Math.max(...looks)).toBeLessThanOrEqual(LISTED_AT_ONCE);
});

it("let others have the event loop between two pages", async () => {
  const order: string[] = [];
  setImmediate(() => order.push("somebody else"));
  await listed().then(() => order.push("listed"));
  expect(order).toEqual(["somebody else", "listed"]);
});

it("are those that are left of a session that ends meanwhile, and none of another under its id", async () => {
  const listing = listed();
  await desk.catalog.end(key("all"), desk.nowMs);
  desk.nowMs += 1;
  await attachAll();
  expect((await listing).length).toBeLessThan(MANY);
  expect(await listed()).toHaveLength(MANY);
});

it("are none where there is no session", async () => {
  expect(await desk.catalog.segments(key("nobody"))).toEqual([]);
});
