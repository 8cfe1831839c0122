/** What is left of a catalog's file, and what the program says of it: it must not end by a signal. */
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";

import { encode, uint } from "../src/kv/catalog/codec.ts";
import { schemaKey } from "../src/kv/catalog/keys.ts";
import { LmdbStore } from "../src/kv/catalog/lmdb.ts";
import { kvText } from "./support/kv-config.ts";

const MAIN = join(import.meta.dirname, "../src/main.ts");
const WRITER = join(import.meta.dirname, "support/catalog-writer.ts");

vi.setConfig({ testTimeout: 30_000 });

let killed: string;
let folder: string;
let file: string;
beforeAll(async () => {
  killed = await mkdtemp(join(tmpdir(), "moorline-killed-"));
  const child = spawn(process.execPath, [WRITER, killed, "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let facts = 0;
  for await (const _ of createInterface({ input: child.stdout })) {
    if (++facts === 1_000) child.kill("SIGKILL");
  }
  if (child.signalCode === null) await once(child, "exit");
});
afterAll(() => rm(killed, { recursive: true }));

/** The catalog of a process that was killed. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-catalog-file-"));
  await mkdir(join(folder, "a"));
  const admin = 'admin: { listen: "127.0.0.1:0" }\nlog: { level: silent }';
  const text = kvText({ kv: 'listen: "127.0.0.1:0"', top: admin });
  await writeFile(join(folder, "moorline.yaml"), text);
  await cp(killed, join(folder, "catalog"), { recursive: true });
  file = join(folder, "catalog", "data.mdb");
});
afterEach(() => rm(folder, { recursive: true }));

function moorline(...args: readonly string[]) {
  const all = [MAIN, ...args, "--config", join(folder, "moorline.yaml")];
  return new Promise((resolve) => {
    execFile(process.execPath, all, (error, stdout, stderr) =>
      resolve({ status: error?.signal ?? error?.code ?? 0, stdout, stderr }),
    );
  });
}

const refused = (problem: string) => ({
  status: 2,
  stdout: "",
  stderr: expect.stringContaining(`catalog ${file} ${problem}`) as unknown,
});

it("checks the catalog of a process that was killed", async () => {
  const stdout = expect.stringMatching(/^location_unknown disk: .*\n1 found, 0 mended\n$/);
  expect(await moorline("kv", "check")).toEqual({ status: 1, stdout, stderr: "" });
});

it.each([
  ["half of it", 0.5, "ends at byte "],
  ["its metadata alone", 16_384, "ends at byte 16384, before its page "],
  ["half of its metadata", 8_192, "ends at byte 8192, before its metadata; restore it from a copy"],
  ["100 bytes", 100, "ends at byte 100, before its metadata; restore it from a copy"],
])("says what is wrong where %s is left", async (_, left, problem) => {
  await truncate(file, left < 1 ? Math.floor((await stat(file)).size * left) : left);
  expect(await moorline("kv", "check")).toEqual(refused(problem));
});

it("serve says what is wrong too", async () => {
  await truncate(file, 16_384);
  const serving = moorline("serve", "--roles", "kv");
  expect(await serving).toEqual(refused("ends at byte 16384, before its page "));
});

it("refuses what is no LMDB file", async () => {
  await writeFile(file, randomBytes(100_000));
  expect(await moorline("kv", "check")).toEqual(refused("has no LMDB metadata at byte 0; "));
});

it("begins anew with an empty file, as a process leaves it that was killed at its first start", async () => {
  await truncate(file, 0);
  expect(await moorline("kv", "check")).toMatchObject({ status: 0, stderr: "" });
});

it("refuses the catalog of a later program", async () => {
  const store = new LmdbStore({ path: join(folder, "catalog"), durability: "process" });
  await store.write((tx) => tx.put(schemaKey, encode(uint, 7)));
  await store.close();
  const stderr = expect.stringMatching(/^catalog has schema version 7, and .*; run a later one, /);
  expect(await moorline("kv", "check")).toEqual({ status: 2, stdout: "", stderr });
});
