import { expect, it } from "vitest";

import { decode, encode, uint } from "../../../src/kv/catalog/codec.ts";
import { schemaKey } from "../../../src/kv/catalog/keys.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { SCHEMA_VERSION, type Upgrade, UPGRADES } from "../../../src/kv/catalog/schema.ts";
import { key, KvDesk } from "../../support/kv-desk.ts";

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
  const text = "catalog has schema version 7, and this program knows versions up to 1";
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
