/** A catalog of which something is lost or wrong, as no rule leaves it: what the audit sees of it, and what is mended. */
import { beforeEach, expect, it } from "vitest";

import { type Codec, decode, encode } from "../../../src/kv/catalog/codec.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import {
  fileCodec,
  locationUsageCodec,
  prefixCodec,
  segmentCodec,
  sessionCodec,
  tenantUsageCodec,
} from "../../../src/kv/catalog/record-codecs.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { unpin } from "../../../src/kv/catalog/rules/sessions.ts";
import { sessions } from "../../../src/kv/catalog/tables.ts";
import type { Key } from "../../../src/kv/catalog/transaction.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { type Segment, segmentId, type StoredFile, type TurnId } from "../../../src/kv/records.ts";
import { copied } from "../../support/kv-copies.ts";
import { openSnapshot, save } from "../../support/kv-snapshots.ts";
import { condemn, key, KvDesk, PLENTY, QUARANTINE_MS, RETENTION } from "../../support/kv-desk.ts";

const REPLICA = { location: "other", name: "replica" as ObjectName };

type State = ReadonlyMap<Key, Uint8Array>;

/** Some of everything: a session that has ended and is not all dropped, forks, prefixes, another tenant's references, turns in every state, files in every one. */
async function everything(): Promise<{ state: State; nowMs: number }> {
  const store = new MemoryStore();
  const desk = new KvDesk(await openCatalog(store));
  const { catalog } = desk;
  await desk.create("a");
  const first = await desk.store("a", "abcd");
  await desk.store("a", "abcdefghijkl", 4);
  await desk.fork("a", "b");
  await desk.create("other/c");
  const shared = [segmentId(first.turn, 0)];
  await desk.createPrefix("t/paper", shared, { to: ["other"], expiresAtMs: desk.nowMs + 5_000 });
  await desk.lease("other/c", shared, desk.nowMs + 500);
  await catalog.pin({ session: key("b"), nowMs: desk.nowMs, untilMs: 2e6, quota: PLENTY });
  for (const location of ["other", "tmpfs"]) {
    await copied(desk, { segment: segmentId(first.turn, 0), to: { ...REPLICA, location } });
  }
  await desk.abort(await desk.reserved("b", { parts: [3, 3] }));
  await desk.reserved("b", { parts: [3, 3] });
  await desk.report(await desk.reserved("b", { whenBusy: "branch", parts: [5] }), "vwxyz");
  const copy = { location: "disk", name: "copy" as ObjectName };
  const limits = { capacityBytes: 1e9, freeFloorBytes: 0 };
  const newFile = { ...copy, limits, freeBytes: 1e9 };
  const { nowMs } = desk;
  const deadlineMs = nowMs + 100;
  await catalog.openCopy({ segment: segmentId(first.turn, 0), newFile, nowMs, deadlineMs });
  const { locations } = desk;
  const room = { location: "disk", bytes: 1e9, priority: 100, locations, nowMs, limit: 100 };
  await catalog.evict(room);
  await desk.create("ended", { retention: { ...RETENTION, ttlMs: 5 } });
  for (const end of [4, 8, 12]) await desk.store("ended", "ABCDEFGHIJKL".slice(0, end), end - 4);
  await desk.create("d");
  const damaged = await desk.store("d", "damaged");
  await desk.fork("d", "e");
  desk.nowMs += 5;
  await desk.sweep(2);
  await condemn(catalog, segmentId(damaged.turn, 0));
  await desk.sweep(1);
  const rest = (await catalog.segments(key("a"))).map(({ id }) => id);
  const draft = desk.prefixRequest("t/draft", rest, { limit: 1 });
  expect(await catalog.createPrefix(draft)).toMatchObject({ kind: "begun" });
  await desk.create("low");
  await catalog.pin({ session: key("low"), nowMs: desk.nowMs, untilMs: 2e6, quota: PLENTY });
  await desk.store("low", "lowered!");
  await store.write((tx) => unpin(tx, sessions.must(tx, key("low")), 0));
  await save(desk, { name: "low", text: "of a slot" });
  await desk.fork("low", "slot");
  for (const text of ["of a slot, then", "of a slot, then more"]) {
    await save(desk, { name: "slot", text });
  }
  const open = { ...newFile, location: "other" };
  await openSnapshot(desk, { name: "slot", text: "of a slot, then" }, { newFile: open });
  expect(await catalog.audit()).toEqual([]);
  return { state: store.snapshot(), nowMs: desk.nowMs };
}

/** Neither follows from anything, nor does anything follow from them. */
const isAlone = (at: Key) => at === "v" || at === "y";
const isRecord = (at: Key) => isAlone(at) || "sgtfpnojm".includes(at[0] ?? "");

let state: State;
let nowMs: number;
beforeEach(async () => {
  ({ state, nowMs } = await everything());
});

async function openWith(changed: State): Promise<{ catalog: Catalog; store: MemoryStore }> {
  const store = new MemoryStore(changed);
  return { catalog: await openCatalog(store), store };
}

async function expectMended(changed: State): Promise<Catalog> {
  const { catalog } = await openWith(changed);
  expect(await catalog.audit()).not.toEqual([]);
  expect(await catalog.repair(nowMs)).not.toEqual([]);
  expect(await catalog.audit()).toEqual([]);
  expect(await catalog.repair(nowMs)).toEqual([]);
  return catalog;
}

it("finds nothing to mend in what its rules have written", async () => {
  const { catalog, store } = await openWith(state);
  expect(await catalog.repair(nowMs)).toEqual([]);
  expect(store.snapshot()).toEqual(state);
});

it("sees and mends the loss of any one entry, and keeps no byte of it for ever", async () => {
  const lost = [...state.keys()].filter((at) => !isAlone(at));
  expect(new Set(lost.map((at) => at[0])).size).toBeGreaterThan(15);
  for (const at of lost) {
    const rest = new Map(state);
    rest.delete(at);
    const catalog = await expectMended(rest);
    const later = { nowMs: nowMs + 1e9, limit: 1_000, quarantineMs: QUARANTINE_MS };
    await catalog.sweep(later);
    later.nowMs += QUARANTINE_MS;
    const { unlinkable } = await catalog.sweep(later);
    await catalog.unlinked(unlinkable);
    expect(await catalog.totals()).toEqual({ locations: [], segments: [] });
    expect(await catalog.audit()).toEqual([]);
  }
});

it("sees and mends an index entry of every kind that follows from nothing", async () => {
  const kinds = new Map([...state].map(([at, value]) => [at[0] ?? "", { at, value }]));
  for (const { at, value } of [...kinds.values()].filter((each) => !isRecord(each.at))) {
    const middle = Math.ceil(at.length / 2);
    const other = `${at.slice(0, middle)}!${at.slice(middle + 1)}`;
    await expectMended(new Map([...state, [other, value]]));
  }
});

const CAUSES =
  /^"[\x20-\x7e]+" (cannot be read: |is missing$|follows from nothing$|is not as it follows$)/;

it("sees and mends any one record that is broken, whichever way, and names its key", async () => {
  const broken = [...state]
    .filter(([at]) => !isAlone(at))
    .flatMap(([at, value]) => [
      [at, value.slice(0, -1)] as const,
      [at, Uint8Array.of(...value, 0)] as const,
      [at, value.toReversed().map((byte) => byte ^ 0xff)] as const,
    ]);
  for (const [at, value] of broken) {
    const { catalog } = await openWith(new Map([...state, [at, value]]));
    const copy = await catalog.mendedCopy(nowMs);
    expect(await copy.audit()).toEqual([]);
    const lines = await catalog.repair(nowMs);
    for (const line of lines) expect(line).toMatch(CAUSES);
    expect(await catalog.audit()).toEqual([]);
  }
}, 60_000);

it("throws for no byte of a record that is another", async () => {
  const kinds = new Map([...state].map(([at, value]) => [at[0] ?? "", { at, value }]));
  for (const { at, value } of [...kinds.values()].filter((each) => !isAlone(each.at))) {
    for (const index of value.keys()) {
      const other = value.map((byte, n) => (n === index ? byte ^ 0xff : byte));
      const { catalog } = await openWith(new Map([...state, [at, other]]));
      await catalog.audit();
      await catalog.repair(nowMs);
      expect(await catalog.repair(nowMs)).toEqual([]);
    }
  }
}, 60_000);

/** The first record of a kind, changed behind the back of all that follows from it. */
function changedBy<T>(letter: string, codec: Codec<T>, change: (record: T) => T): State {
  const [at, value] = [...state].find(([known]) => known.startsWith(letter)) ?? [];
  if (at === undefined || value === undefined) throw new Error(`there is no ${letter}`);
  return new Map([...state, [at, encode(codec, change(decode(codec, value)))]]);
}

it("forgets a session that has ended once nothing is left of what it listed", async () => {
  const rest = new Map([...state].filter(([at]) => !at.startsWith("rst\0ended")));
  await expectMended(rest);
  const { store, catalog } = await openWith(rest);
  await catalog.repair(nowMs);
  expect([...store.snapshot().keys()].filter((at) => at.startsWith("o"))).toEqual([]);
});

it("forgets a prefix that was removed once nothing is left of what it listed", async () => {
  const removed = changedBy("p", prefixCodec, (prefix) => ({ ...prefix, expiresAtMs: 0 }));
  const rest = new Map([...removed].filter(([at]) => !at.startsWith("rp")));
  await expectMended(rest);
  const { store, catalog } = await openWith(rest);
  await catalog.repair(nowMs);
  expect([...store.snapshot().keys()].filter((at) => at.startsWith("p"))).toEqual(["pt\0draft\0"]);
});

it("forgets a segment that was withdrawn once nobody refers to it", async () => {
  expect([...state.keys()].filter((at) => at.startsWith("j"))).toHaveLength(1);
  const lists = ["rst\0d\0", "rst\0e\0"];
  const rest = new Map([...state].filter(([at]) => !lists.some((list) => at.startsWith(list))));
  await expectMended(rest);
  const { store, catalog } = await openWith(rest);
  await catalog.repair(nowMs);
  expect([...store.snapshot().keys()].filter((at) => at.startsWith("j"))).toEqual([]);
});

it("mends every sum that is wrong", async () => {
  const more =
    <T>(name: keyof T) =>
    (record: T) => ({ ...record, [name]: Number(record[name]) + 1 });
  const wrong = [
    changedBy("f", fileCodec, more<StoredFile>("referencedBytes")),
    changedBy("f", fileCodec, more<StoredFile>("openReservations")),
    changedBy("s", sessionCodec, more("segments")),
    changedBy("g", segmentCodec, more<Segment>("refs")),
    changedBy("u", tenantUsageCodec, more("bytes")),
    changedBy("l", locationUsageCodec, more("bookedBytes")),
    changedBy("l", locationUsageCodec, more("idleBytes")),
  ];
  for (const each of wrong) {
    const catalog = await expectMended(each);
    expect((await catalog.totals()).locations).toHaveLength(3);
  }
});

const FIRST = { location: "disk", name: "file-1" as ObjectName };

it("takes from a file what it cannot be: too dear, too small, or less stored in it than is listed", async () => {
  const change = (changes: Partial<StoredFile>) =>
    changedBy<StoredFile>(`fdisk\0${FIRST.name}`, fileCodec, (file) => ({ ...file, ...changes }));
  const { catalog } = await openWith(state);
  const sound = await catalog.file(FIRST);
  const dear = await expectMended(change({ priorityFloor: 9_999 }));
  expect((await dear.file(FIRST))?.priorityFloor).toBeLessThan(9_999);
  const small = await expectMended(change({ highWaterBytes: 1 }));
  expect((await small.file(FIRST))?.highWaterBytes).toBe(sound?.highWaterBytes);
  const hollow = await expectMended(change({ unusedBytes: sound?.highWaterBytes ?? 0 }));
  const { highWaterBytes = 0, unusedBytes = 0 } = (await hollow.file(FIRST)) ?? {};
  expect(highWaterBytes - unusedBytes).toBe(sound?.committedBytes);
  const empty = await expectMended(change({ committedBytes: 0 }));
  expect((await empty.file(FIRST))?.committedBytes).toBe(sound?.referencedBytes);
});

it("puts a replica in the place of a first copy whose file is lost, and drops one whose own is", async () => {
  const without = (at: Key) => new Map([...state].filter(([other]) => !other.startsWith(at)));
  const first = await expectMended(without(`fdisk\0${FIRST.name}`));
  expect(await first.segment(segmentId("turn-1" as TurnId, 0))).toMatchObject({
    file: REPLICA,
    replicas: [{ ...REPLICA, location: "tmpfs" }],
  });
  const other = await expectMended(without("fother\0"));
  expect(await other.segment(segmentId("turn-1" as TurnId, 0))).toMatchObject({
    file: FIRST,
    replicas: [{ ...REPLICA, location: "tmpfs" }],
  });
});

it("mends replicas that are counted wrongly", async () => {
  const more = <T>(record: T) => ({ ...record, replicaBytes: 1, replicas: 7 });
  const wrong = changedBy("lother", locationUsageCodec, more);
  const { locations } = await (await expectMended(wrong)).totals();
  expect(locations).toMatchObject([{}, { replicas: 1, replicaBytes: 40 }, { replicas: 1 }]);
});

it("charges what its tenant does not list any more to who still does", async () => {
  const rest = new Map(
    [...state].filter(([at]) => !at.startsWith("rst\0") && !at.startsWith("rp")),
  );
  const catalog = await expectMended(rest);
  expect(await catalog.tenantUsage("other")).toMatchObject({ bytes: 40 });
  expect(await catalog.segments(key("other/c"))).toMatchObject([{ tenant: "other", refs: 1 }]);
});

it("begins the quarantine of a file whose turn is lost, since its engine may still write", async () => {
  const rest = new Map([...state].filter(([at]) => !at.startsWith("t")));
  const { catalog } = await openWith(rest);
  await catalog.repair(nowMs + 7);
  const { locations } = await catalog.totals();
  const ofTheCopy = { unwrittenBytes: 40 };
  expect(locations[0]).toMatchObject({ location: "disk", ...ofTheCopy });
  const session = await catalog.session(key("b"));
  expect(session).toMatchObject({ turns: [], leasedBy: undefined, file: undefined });
  const file = await catalog.file({ location: "disk", name: "file-4" as ObjectName });
  expect(file).toMatchObject({
    isSealed: true,
    openReservations: 0,
    lastReservationEndMs: nowMs + 7,
  });
});
