import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";

import { decode, encode, uint } from "../../../src/kv/catalog/codec.ts";
import { schemaKey } from "../../../src/kv/catalog/keys.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { SCHEMA_VERSION, type Upgrade, UPGRADES } from "../../../src/kv/catalog/schema.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { segmentId, type TurnId } from "../../../src/kv/records.ts";
import { key, KvDesk, ranges, STAT } from "../../support/kv-desk.ts";
import { save } from "../../support/kv-snapshots.ts";

function storeOfVersion(version: number): MemoryStore {
  return new MemoryStore(new Map([[schemaKey, encode(uint, version)]]));
}

function versionOf(store: MemoryStore): number {
  return decode(uint, store.snapshot().get(schemaKey) ?? new Uint8Array(0));
}

it("writes its version into a new catalog, and opens it again", async () => {
  const store = new MemoryStore();
  await new KvDesk(await openCatalog(store)).create("a");
  expect(versionOf(store)).toBe(SCHEMA_VERSION);
  const again = await openCatalog(store);
  expect(await again.session(key("a"))).toMatchObject({ id: "a" });
});

it("refuses a catalog of a later version, names both, and changes nothing", async () => {
  const store = storeOfVersion(SCHEMA_VERSION + 6);
  const text = "catalog has schema version 10, and this program knows versions up to 4";
  const message = expect.stringContaining(text);
  await expect(openCatalog(store)).rejects.toMatchObject({ code: "catalog_invalid", message });
  expect(versionOf(store)).toBe(SCHEMA_VERSION + 6);
});

it("refuses a catalog whose version cannot be read", async () => {
  const store = new MemoryStore(new Map([[schemaKey, new Uint8Array(0)]]));
  await expect(openCatalog(store)).rejects.toMatchObject({ code: "catalog_invalid" });
});

it("has an upgrade from each version before its own", () => {
  const from = Array.from({ length: SCHEMA_VERSION - 1 }, (_, n) => n + 1);
  expect([...UPGRADES.keys()]).toEqual(from);
});

it("upgrades step by step, in one transaction", async () => {
  const store = storeOfVersion(1);
  const upgrade = (mark: string): Upgrade => {
    return (tx) => tx.put("z", Buffer.from(`${Buffer.from(tx.get("z") ?? []).toString()}${mark}`));
  };
  const upgrades = new Map([
    [1, upgrade("a")],
    [2, upgrade("b")],
  ]);
  await openCatalog(store, { version: 3, upgrades });
  expect(versionOf(store)).toBe(3);
  expect(Buffer.from(store.snapshot().get("z") ?? []).toString()).toBe("ab");
});

it("keeps the old catalog whole when an upgrade fails", async () => {
  const store = storeOfVersion(1);
  const failing: Upgrade = (tx) => {
    tx.put("z", Uint8Array.of(1));
    throw new Error("half way");
  };
  const schema = { version: 2, upgrades: new Map([[1, failing]]) };
  await expect(openCatalog(store, schema)).rejects.toThrow("half way");
  expect(versionOf(store)).toBe(1);
  expect(store.snapshot().has("z")).toBe(false);
});

it("refuses a version that nothing upgrades", async () => {
  const schema = { version: 2, upgrades: new Map() };
  await expect(openCatalog(storeOfVersion(1), schema)).rejects.toThrow(
    "catalog schema version 1 cannot be upgraded",
  );
});

/** Keys and records in base64, as a program of version 1 left them: what three sessions and a prefix list, turns under way, and a copy that was to be made. */
function storeAsVersion1(): Promise<MemoryStore> {
  return storeIn("version-1.txt");
}

async function storeIn(file: string): Promise<MemoryStore> {
  const lines = await readFile(new URL(file, import.meta.url), "utf8");
  const entries = lines
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ").map((each) => Buffer.from(each, "base64")));
  return new MemoryStore(
    new Map(entries.map(([of, value]) => [of?.toString("latin1") ?? "", value ?? Buffer.of()])),
  );
}

it("keeps what a catalog of version 1 has, and makes of it what its records say", async () => {
  const catalog = await openCatalog(await storeAsVersion1());
  const desk = new KvDesk(catalog);
  expect(await catalog.audit()).toEqual([]);
  const { segments } = await desk.match("a", "abcdefghij.");
  expect(ranges(segments)).toEqual([
    [0, 6],
    [6, 4],
  ]);
  expect(segments.map(({ kvStart, replicas }) => [kvStart, replicas])).toEqual([
    [0, []],
    [60, []],
  ]);
  const usage = { bookedBytes: 320, referencedBytes: 180, replicas: 0, idleBytes: 0 };
  expect(await catalog.locationUsage("disk")).toMatchObject(usage);
  expect(await catalog.prefixSegments({ tenant: "t", name: "p" })).toHaveLength(1);
});

it("goes on with a catalog of version 1: ends its turns, and evicts what no prefix lists", async () => {
  const catalog = await openCatalog(await storeAsVersion1());
  const desk = new KvDesk(catalog);
  const { locations } = desk;
  const asked = { location: "disk", bytes: 1e6, priority: 1_000, locations, limit: 1_000 };
  const { nowMs } = desk;
  expect(await catalog.evict({ ...asked, nowMs })).toMatchObject({ files: 1, segments: 1 });
  desk.nowMs += 5_000;
  expect(await desk.sweep()).toMatchObject({ abortedTurns: 2, brokenRecords: 0 });
  const later = await catalog.evict({ ...asked, nowMs: desk.nowMs });
  expect(later).toMatchObject({ files: 1, segments: 1 });
  expect(await catalog.audit()).toEqual([]);
});

it("counts a copy that a program of version 2 was making as unwritten, and as nothing when it is recorded", async () => {
  const desk = new KvDesk(await openCatalog(await storeIn("version-2.txt")));
  const { catalog, nowMs } = desk;
  expect(await catalog.audit()).toEqual([]);
  expect(await catalog.locationUsage("tmpfs")).toMatchObject({ unwrittenBytes: 60 });
  expect(await catalog.locationUsage("other")).toMatchObject({ unwrittenBytes: 0 });
  const to = { location: "tmpfs", name: "copy" as ObjectName };
  const segment = segmentId("turn-1" as TurnId, 0);
  const stat = { ...STAT, sizeBytes: 60 };
  expect(await catalog.addReplica({ segment, to, stat, nowMs })).toBe(true);
  expect(await catalog.locationUsage("tmpfs")).toMatchObject({ unwrittenBytes: 0 });
  expect(await catalog.audit()).toEqual([]);
});

it("leaves what it cannot read in a catalog of version 1 to a repair", async () => {
  const state = new Map((await storeAsVersion1()).snapshot());
  state.set("gturn-2.0\0", Uint8Array.of(200));
  const catalog = await openCatalog(new MemoryStore(state));
  expect(await catalog.segments(key("b"))).toHaveLength(1);
  expect(await catalog.audit()).toContainEqual(expect.stringContaining("cannot be read"));
});

/** The same of version 2, with a replica too, a session that is pinned, and a file that nothing is left in. */
it("keeps what a catalog of version 2 has, of which nothing is a snapshot, and saves the first", async () => {
  const catalog = await openCatalog(await storeIn("version-2.txt"));
  const desk = new KvDesk(catalog);
  expect(await catalog.audit()).toEqual([]);
  const { segments } = await desk.match("a", "abcdefghij.");
  expect(segments.map(({ replicas, snapshot }) => [replicas.length, snapshot])).toEqual([
    [1, undefined],
    [0, undefined],
  ]);
  const files = await catalog.files({ after: undefined, limit: 10 });
  expect(files.map(({ isSnapshot }) => isSnapshot)).toEqual(files.map(() => false));
  expect(await catalog.locationUsage("disk")).toMatchObject({ bookedBytes: 330, idleBytes: 100 });
  const quarantined = (await desk.sweep()).unlinkable;
  expect(quarantined).toEqual([]);
  const { segment } = await save(desk, { name: "a", text: "abcdef" });
  expect(await catalog.segment(segment)).toMatchObject({ snapshot: { units: 6 } });
  expect(await catalog.audit()).toEqual([]);
});

it("leaves what it cannot read in a catalog of version 2 to a repair", async () => {
  const state = new Map((await storeIn("version-2.txt")).snapshot());
  const segment = state.get("gturn-1.0\0") ?? new Uint8Array(0);
  expect(segment.length).toBeGreaterThan(0);
  state.set("gturn-1.0\0", segment.subarray(0, -1));
  state.set("fdisk\0file-1\0", Uint8Array.of(200));
  const catalog = await openCatalog(new MemoryStore(state));
  const found = await catalog.audit();
  for (const at of ["gturn-1.0", "fdisk"]) {
    expect(found).toContainEqual(expect.stringMatching(`^"${at}.*cannot be read`));
  }
  expect(await catalog.locationUsage("tmpfs")).toMatchObject({ unwrittenBytes: 60 });
  await catalog.repair(1_000_000);
  expect(await catalog.audit()).toEqual([]);
});
