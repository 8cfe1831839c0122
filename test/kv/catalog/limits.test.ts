import { expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { files, sessions } from "../../../src/kv/catalog/tables.ts";
import { SESSION_TURNS_LIMIT } from "../../../src/kv/catalog.ts";
import { SESSION_SEGMENTS_LIMIT, SESSION_SNAPSHOTS_LIMIT } from "../../../src/kv/holders.ts";
import { type SegmentId, segmentId, type StoredFile } from "../../../src/kv/records.ts";
import { key, KvDesk } from "../../support/kv-desk.ts";
import { openSnapshot, save } from "../../support/kv-snapshots.ts";

async function openDesk(): Promise<{ store: MemoryStore; desk: KvDesk }> {
  const store = new MemoryStore();
  const desk = new KvDesk(await openCatalog(store));
  await desk.create("a");
  return { store, desk };
}

it("opens as many turns of a session as the limit, and not one more", async () => {
  const { desk } = await openDesk();
  for (let n = 0; n < SESSION_TURNS_LIMIT; n++) {
    expect(await desk.reserve("a", { whenBusy: "branch" })).toMatchObject({ kind: "reserved" });
  }
  const refused = { kind: "refused", reason: "turns_limit" };
  expect(await desk.reserve("a", { whenBusy: "branch" })).toEqual(refused);
});

it("reserves for a session until it has as many segments as the limit", async () => {
  const { store, desk } = await openDesk();
  const grow = (segments: number) =>
    store.write((tx) => sessions.update(tx, key("a"), (known) => ({ ...known, segments })));
  await grow(SESSION_SEGMENTS_LIMIT - 1);
  await desk.abort(await desk.reserved("a"));
  await grow(SESSION_SEGMENTS_LIMIT);
  const refused = { kind: "refused", reason: "segments_limit" };
  expect(await desk.reserve("a")).toEqual(refused);
});

it("attaches and shares as many segments as the limit, and keeps no more of what a turn reads", async () => {
  const { store, desk } = await openDesk();
  const { turn } = await desk.store("a", "abcd");
  const ids = [segmentId(turn, 0)];
  await desk.create("b");
  const grow = (segments: number) =>
    store.write((tx) => sessions.update(tx, key("b"), (known) => ({ ...known, segments })));
  const refused = { kind: "refused", reason: "segments_limit" };
  await grow(SESSION_SEGMENTS_LIMIT);
  expect(await desk.attach("b", ids)).toEqual(refused);
  expect(await desk.lease("b", ids, desk.nowMs + 1)).toBe(true);
  expect(await desk.catalog.segments(key("b"))).toEqual([]);
  await grow(SESSION_SEGMENTS_LIMIT - 1);
  expect(await desk.attach("b", ids)).toMatchObject({ kind: "attached" });
  const many = Array.from({ length: SESSION_SEGMENTS_LIMIT + 1 }, () => segmentId(turn, 0));
  expect(await desk.createPrefix("t/p", many)).toEqual(refused);
  expect(await desk.createPrefix("t/p", many.slice(1))).toMatchObject({ kind: "created" });
});

it("attaches as many snapshots of others as the limit, keeps no more of what a turn reads, and always the session's own", async () => {
  const { desk } = await openDesk();
  const ids: SegmentId[] = [];
  for (let at = 0; at <= SESSION_SNAPSHOTS_LIMIT; at++) {
    await desk.create(`other-${at}`);
    ids.push((await save(desk, { name: `other-${at}`, text: `text ${at}` })).segment);
  }
  const [last, ...others] = ids.toReversed() as [SegmentId, ...SegmentId[]];
  const refused = { kind: "refused", reason: "segments_limit" };
  expect(await desk.attach("a", ids)).toEqual(refused);
  expect(await desk.attach("a", others)).toMatchObject({ kind: "attached" });
  expect(await desk.attach("a", [last])).toEqual(refused);
  expect(await desk.attach("a", others.slice(1))).toMatchObject({ kind: "attached" });
  expect(await desk.lease("a", [last], desk.nowMs + 1)).toBe(true);
  const own = await save(desk, { name: "a", text: "its own" });
  const listed = (await desk.catalog.segments(key("a"))).map(({ id }) => id);
  expect(listed.toSorted()).toEqual([...others, own.segment].toSorted());
});

it("books a snapshot for a list that is full only in place of the session's own", async () => {
  const { store, desk } = await openDesk();
  const of = { name: "a", text: "abcd" };
  const grow = (segments: number) =>
    store.write((tx) => sessions.update(tx, key("a"), (known) => ({ ...known, segments })));
  await grow(SESSION_SEGMENTS_LIMIT);
  expect((await openSnapshot(desk, of)).outcome).toBe("segments_limit");
  await grow(SESSION_SEGMENTS_LIMIT - 1);
  await save(desk, of);
  expect((await openSnapshot(desk, of)).outcome).toBe("opened");
  await grow(SESSION_SEGMENTS_LIMIT + 1);
  expect((await openSnapshot(desk, of)).outcome).toBe("segments_limit");
});

it("reserves nothing that is no whole number of tokens, nor for a time that is over", async () => {
  const { desk } = await openDesk();
  for (const parts of [[], [0], [4, 0], [1.5], [-1]]) {
    await expect(desk.reserve("a", { parts })).rejects.toThrow("must be 1 or more each");
  }
  await expect(desk.reserve("a", { deadlineMs: desk.nowMs })).rejects.toThrow("must be after");
});

it("compacts no file that its session goes on in, however little of it is left", async () => {
  const { store, desk } = await openDesk();
  const { file } = await desk.store("a", "abcd");
  const change = (changes: Partial<StoredFile>) =>
    store.write((tx) => files.update(tx, file, (known) => ({ ...known, ...changes })));
  const found = () => desk.catalog.compactable({ after: undefined, limit: 9 });
  await change({ committedBytes: 81 });
  expect(await found()).toEqual([]);
  await change({ isSealed: true });
  expect(await found()).toMatchObject([{ file }]);
});

it("takes no name that would read as another's", async () => {
  const { desk } = await openDesk();
  for (const name of ["a\0b", "a b", "ä", "x".repeat(257)]) {
    await expect(desk.create(name)).rejects.toThrow("must be visible ASCII");
  }
  expect(await desk.create("x".repeat(256))).toMatchObject({ kind: "created" });
});
