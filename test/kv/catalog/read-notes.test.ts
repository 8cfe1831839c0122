import { expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { NOTED_LIMIT, ReadNotes } from "../../../src/kv/catalog/read-notes.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { KvDesk } from "../../support/kv-desk.ts";

const id = (number: number) => `turn-${number}.0` as SegmentId;

it("counts the reads of each, and gives those away first that waited for longest", () => {
  const notes = new ReadNotes();
  notes.note([id(1), id(2)], 10);
  notes.note([id(2), id(3)], 5);
  expect(notes.take(2)).toEqual([
    { segment: id(1), times: 1, lastMs: 10 },
    { segment: id(2), times: 2, lastMs: 10 },
  ]);
  expect(notes.take(2)).toEqual([{ segment: id(3), times: 1, lastMs: 5 }]);
  expect(notes.take(2)).toEqual([]);
});

it("takes no more segments than its limit, and counts on for those that it has", () => {
  const notes = new ReadNotes();
  for (let number = 0; number <= NOTED_LIMIT; number++) notes.note([id(number)], 1);
  notes.note([id(0)], 2);
  expect(notes.size).toBe(NOTED_LIMIT);
  expect(notes.take(1)).toEqual([{ segment: id(0), times: 2, lastMs: 2 }]);
});

/** A session with two segments, both of which a plan has leased. */
async function leased() {
  const store = new MemoryStore();
  const desk = new KvDesk(await openCatalog(store));
  await desk.create("a");
  const first = segmentId((await desk.store("a", "abcd")).turn, 0);
  const second = segmentId((await desk.store("a", "abcdefgh", 4)).turn, 0);
  const before = store.snapshot();
  await desk.lease("a", [first, second], desk.nowMs + 10);
  return { store, desk, first, second, before };
}

it("keeps the records of segments out of the transaction of a plan", async () => {
  const { store, before } = await leased();
  const changed = [...store.snapshot()].filter(([key, value]) => before.get(key) !== value);
  expect(changed.map(([key]) => key[0])).toContain("f");
  expect(changed.map(([key]) => key[0])).not.toContain("g");
});

it("passes by a record that cannot be read", async () => {
  const { store, desk, first, second } = await leased();
  const key = [...store.snapshot().keys()].find((each) => each.startsWith(`g${first}`)) ?? "";
  await store.write((tx) => tx.put(key, Uint8Array.of(0xff)));
  await desk.sweep();
  expect(await desk.catalog.segment(second)).toMatchObject({ timesRead: 1 });
});
