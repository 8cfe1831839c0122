import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";

import { LmdbStore } from "../../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { CatalogStore } from "../../../src/kv/catalog/transaction.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { describeCatalog } from "../../contracts/catalog-contract.ts";
import { key, KvDesk } from "../../support/kv-desk.ts";

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-catalog-"));
  folders.push(folder);
  return folder;
}

function openStore(path: string): CatalogStore {
  return new LmdbStore({ path, durability: "power_loss" });
}

describeCatalog("lmdb", async () => openCatalog(openStore(await newFolder())));

it("keeps nothing of a rule that throws, and all of its neighbours in the same commit", async () => {
  const store = openStore(await newFolder());
  const before = store.write((tx) => tx.put("before", Uint8Array.of(1)));
  const failing = store.write((tx) => {
    tx.put("before", Uint8Array.of(2));
    tx.put("new", Uint8Array.of(3));
    throw new Error("half way");
  });
  const after = store.write((tx) => tx.put("after", Uint8Array.of(4)));
  await expect(failing).rejects.toThrow("half way");
  await Promise.all([before, after]);
  const entries = store.read((view) => view.range({ from: "", to: "z", limit: 9 }));
  expect(entries.map(({ key: at, value }) => [at, value[0]])).toEqual([
    ["after", 4],
    ["before", 1],
  ]);
  await store.close();
});

it("finds everything again after it was closed", async () => {
  const path = await newFolder();
  const catalog = await openCatalog(openStore(path));
  const desk = new KvDesk(catalog);
  await desk.create("a");
  await desk.store("a", "abcd");
  await catalog.close();
  await catalog.close();

  const reopened = await openCatalog(openStore(path));
  expect(await reopened.segments(key("a"))).toMatchObject([{ tokenLength: 4, state: "durable" }]);
  expect(await reopened.audit()).toEqual([]);
  await reopened.close();
});

it("has counted what was read when it was closed", async () => {
  const path = await newFolder();
  const desk = new KvDesk(await openCatalog(openStore(path)));
  await desk.create("a");
  const segment = segmentId((await desk.store("a", "abcd")).turn, 0);
  await desk.lease("a", [segment], desk.nowMs + 10);
  await desk.catalog.close();

  const reopened = await openCatalog(openStore(path));
  expect(await reopened.segment(segment)).toMatchObject({ timesRead: 1 });
  await reopened.close();
});

it("takes keys of every length up to the longest, one after the other", async () => {
  const store = openStore(await newFolder());
  const keys = Array.from({ length: 190 }, (_, at) => "\xff".repeat(10 * at) + "a".repeat(10));
  await store.write((tx) => keys.forEach((at) => tx.put(at, Uint8Array.of(at.length % 251))));

  const seen = await store.write((tx) =>
    keys.map((at) => {
      const [entry] = tx.range({ from: at, to: `${at}b`, limit: 1 });
      return [entry?.key, entry?.value[0], tx.get(at)?.[0]];
    }),
  );

  expect(seen).toEqual(keys.map((at) => [at, at.length % 251, at.length % 251]));
  await store.close();
});
