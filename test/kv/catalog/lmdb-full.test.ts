import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";

const child = join(import.meta.dirname, "../../support/full-catalog.ts");

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-full-"));
});
afterEach(() => rm(folder, { recursive: true }));

it("answers that it cannot be written when the device is full, and its process lives on", async () => {
  const limited = 'ulimit -f 512; exec "$0" "$@"';
  const { stdout } = await promisify(execFile)("sh", [
    "-c",
    limited,
    process.execPath,
    child,
    folder,
  ]);
  expect(JSON.parse(stdout)).toEqual({
    failures: Array.from({ length: 3 }, () => "CatalogFault: the catalog cannot be written"),
    isExact: true,
    faults: [],
  });
}, 60_000);
