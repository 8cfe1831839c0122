import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { isNewer } from "../../bench/routing/grpc-go.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-test-"));
  onTestFinished(async () => rm(folder, { recursive: true }));
});

/** Returns its path. */
async function fileOf(name: string, changedAtS: number): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, "");
  await utimes(path, changedAtS, changedAtS);
  return path;
}

it("a binary is newer than its sources when it was built after the last change of each", async () => {
  const sources = [await fileOf("main.go", 100), await fileOf("go.mod", 200)];
  expect(await isNewer(await fileOf("built", 201), sources)).toBe(true);
  expect(await isNewer(await fileOf("built", 150), sources)).toBe(false);
});

it("a binary that is not there is newer than nothing", async () => {
  expect(await isNewer(join(folder, "built"), [await fileOf("main.go", 100)])).toBe(false);
});
