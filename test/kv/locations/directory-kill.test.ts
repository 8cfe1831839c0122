import { execFile, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";

import type { ObjectName } from "../../../src/kv/location.ts";
import { collect } from "../../support/bytes.ts";
import { listAll, ok } from "../../support/location-results.ts";
import { seededRandom } from "../../support/random.ts";
import { createRoot, openAt } from "./roots.ts";

const child = fileURLToPath(new URL("location-child.ts", import.meta.url));

let root: Awaited<ReturnType<typeof createRoot>>;
beforeEach(async () => {
  root = await createRoot();
});
afterEach(() => root.remove());

/** Starts the child, kills it this long after its first put, and returns the names that it said were done. */
function putUntilKilled(afterMs: number): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const putting = spawn(process.execPath, [child, "put", root.path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    putting.stdout.once("data", () => setTimeout(() => putting.kill("SIGKILL"), afterMs));
    putting.stdout.on("data", (text: Buffer) => (said += text.toString()));
    putting.on("close", () => resolve(said.split("\n").slice(0, -1)));
  });
}

it("a put killed at a random moment, 20 times, leaves each name absent or whole, and done is done", async () => {
  const random = seededRandom(20);
  const done = new Set<string>();
  for (let round = 0; round < 20; round++) {
    for (const name of await putUntilKilled(random() * 40)) done.add(name);
  }
  const location = await openAt(root.path);
  const { names, leftovers, foreign } = await listAll(location);
  expect(foreign).toEqual([]);
  expect([...done].filter((name) => !names.includes(name))).toEqual([]);
  for (const name of names) {
    const [crc, length] = name.split("-").map(Number);
    const ranges = [{ offset: 0, length: length ?? 0 }];
    expect(ok(await location.stat(name as ObjectName))?.sizeBytes).toBe(length);
    expect(crc32(await collect(location.read(name as ObjectName, ranges)))).toBe(crc);
  }
  expect(leftovers.length).toBeGreaterThan(0);
  for (const { id } of leftovers) ok(await location.discard(id));
  expect(await listAll(location)).toEqual({ names, leftovers: [], foreign: [] });
  await location.close();
}, 60_000);

it("a file size limit is `no_space`, and nothing is left of what ran into it", async () => {
  const limited = `ulimit -f 100; exec "$0" "$@"`; // 100 KiB
  const run = promisify(execFile);
  const { stdout } = await run("bash", [
    "-c",
    limited,
    process.execPath,
    child,
    "limit",
    root.path,
  ]);
  expect(JSON.parse(stdout)).toEqual({
    put: "no_space",
    reserve: "no_space",
    isThere: false,
    objects: [],
    leftovers: [],
  });
});
