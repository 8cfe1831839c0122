import { mkdtemp, readFile, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

import { assertMappable } from "../../../src/kv/catalog/lmdb-file.ts";
import { LmdbStore } from "../../../src/kv/catalog/lmdb.ts";

let path: string;
let file: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "moorline-lmdb-file-"));
  file = join(path, "data.mdb");
});
afterEach(() => rm(path, { recursive: true }));

const PAGE_BYTES = 8192;
const KEYS = Array.from({ length: 400 }, (_, n) => `key ${n}`);

async function store(valueBytes: number): Promise<LmdbStore> {
  const opened = new LmdbStore({ path, durability: "process" });
  await opened.write((tx) => {
    for (const key of KEYS) tx.put(key, new Uint8Array(valueBytes).fill(7));
  });
  return opened;
}

/** The later of the two metas says how many pages there are. */
async function bytesOfAllPages(): Promise<number> {
  const bytes = await readFile(file);
  const [one, other] = [bytes, bytes.subarray(PAGE_BYTES)];
  const isOne = one.readBigUInt64LE(152) > other.readBigUInt64LE(152);
  return (Number((isOne ? one : other).readBigUInt64LE(144)) + 1) * PAGE_BYTES;
}

it("takes a file that is missing for one that is to be made", () => {
  expect(() => assertMappable(file)).not.toThrow();
});

it("takes one that ends before its last page, where that was freed before it was ever written", async () => {
  const opened = await store(100);
  for (const rule of ["1", "2", "3"]) {
    await opened.write((tx) => {
      for (const key of KEYS) tx.put(`${rule} ${key}`, new Uint8Array(100));
      for (const key of KEYS) tx.remove(`${rule} ${key}`);
    });
  }
  await opened.close();
  expect((await stat(file)).size).toBeLessThan(await bytesOfAllPages());
  expect(() => assertMappable(file)).not.toThrow();
});

it.each([100, 6_000])("refuses it without its last page, of values of %i bytes", async (bytes) => {
  await (await store(bytes)).close();
  const { size } = await stat(file);
  expect(size).toBe(await bytesOfAllPages());
  await truncate(file, size - PAGE_BYTES);
  expect(() => assertMappable(file)).toThrow(`${file} ends at byte ${size - PAGE_BYTES}, before `);
});
