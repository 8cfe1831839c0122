import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";

import { LmdbStore } from "../../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { SnapshotBench } from "../../support/kv/snapshot-bench.ts";
import { seededRandom } from "../../support/random.ts";
import { session } from "../../support/turn-bench.ts";

const child = fileURLToPath(new URL("snapshot-child.ts", import.meta.url));
const ROUNDS = 8;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-killed-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const root = (): string => join(folder, "root");
const catalogPath = (): string => join(folder, "catalog");

/** Kills the child this long after its first snapshot, and answers with the last one that it said was kept. */
function keepUntilKilled(name: string, afterMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const args = [child, root(), catalogPath(), name];
    const keeping = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    keeping.stdout.once("data", () => setTimeout(() => keeping.kill("SIGKILL"), afterMs));
    keeping.stdout.on("data", (text: Buffer) => (said += text.toString()));
    keeping.on("close", () => resolve(said.split("\n").at(-2)));
  });
}

it("a save killed at a random moment, 8 times, is listed whole or not at all, and no object is unknown", async () => {
  const random = seededRandom(8);
  const last = new Map<string, string | undefined>();
  for (let round = 0; round < ROUNDS; round++) {
    last.set(`s${round}`, await keepUntilKilled(`s${round}`, random() * 60));
  }
  const store = new LmdbStore({ path: catalogPath(), durability: "process" });
  const catalog = await openCatalog(store);
  const bench = await SnapshotBench.open({ root: root(), catalog });

  for (const [name, said] of last) {
    const listed = await catalog.segments(session(name));
    expect(listed).toHaveLength(1);
    const [segment] = listed;
    if (segment === undefined) throw new Error("nothing is listed");
    // A later one may have been listed before it could be said.
    if (segment.id !== said) expect(await catalog.segment(said as never)).toBeUndefined();
    const bytes = await readFile(bench.pathOf(segment));
    expect([bytes.length, crc32(bytes)]).toEqual([segment.bytes, segment.crc]);
  }
  for (const name of await bench.objects()) {
    expect(await catalog.file({ location: "a", name: name as never }), name).toBeDefined();
  }
  const staged = await bench.staged();
  expect(staged.length).toBeLessThanOrEqual(ROUNDS);
  expect(await bench.location().staging.sweep(-1e15)).toBe(staged.length);
  expect(await bench.close()).toEqual([]);
}, 60_000);
