import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { envoyBinary } from "../../envoy/fetch.ts";

let folder: string;
let binary: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-test-"));
  binary = join(folder, "envoy");
  await writeFile(binary, "");
  await chmod(binary, 0o755);
});

afterEach(async () => rm(folder, { recursive: true }));

it("ENVOY_BIN wins over an envoy on PATH", async () => {
  expect(await envoyBinary({ ENVOY_BIN: process.execPath, PATH: folder })).toBe(process.execPath);
});

it("an envoy on PATH wins over the pinned one", async () => {
  expect(await envoyBinary({ PATH: `/nonexistent:${folder}` })).toBe(binary);
});

it("an ENVOY_BIN that cannot be executed is named, and nothing else is tried", async () => {
  await chmod(binary, 0o644);
  await expect(envoyBinary({ ENVOY_BIN: binary, PATH: folder })).rejects.toThrow(
    `ENVOY_BIN=${binary}`,
  );
});
