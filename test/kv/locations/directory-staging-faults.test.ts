/** Each call to the file system that a staging folder makes fails once, and in another run it is the last that is made, as in a crash. */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import * as nodeFs from "node:fs/promises";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { LocationFault } from "../../../src/kv/location.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import type { DirectoryLocation } from "../../../src/kv/locations/directory.ts";
import { parseStagedName, type Staged, type StagedName } from "../../../src/kv/staging.ts";
import { collect, expectationOf, lent, patterned } from "../../support/bytes.ts";
import { type Failure, failingFs } from "../../support/failing-fs.ts";
import { faultOf, listAll, ok } from "../../support/location-results.ts";
import { seededRandom } from "../../support/random.ts";
import { createRoot, openAt } from "./roots.ts";

const staged = "save.slot" as StagedName;
const lending = "restore.slot" as StagedName;
const old = "old" as ObjectName;
const fresh = "fresh" as ObjectName;
const bytes = patterned(1_200_000);

let root: Awaited<ReturnType<typeof createRoot>>;
let sound: DirectoryLocation;
let examined: Staged;

beforeEach(async () => {
  root = await createRoot();
  sound = await openAt(root.path);
});
afterEach(async () => {
  await sound.close();
  await root.remove();
});

/** On the file that was saved, or on the object that is there. */
const operations = {
  examine: ({ staging }: DirectoryLocation) => staging.examine(staged),
  assess: ({ staging }: DirectoryLocation) => staging.assess(staged),
  adopt: ({ staging }: DirectoryLocation) => staging.adopt(staged, fresh, examined),
  expose: ({ staging }: DirectoryLocation) => staging.expose(old, lending, expectationOf(bytes)),
  remove: ({ staging }: DirectoryLocation) => staging.remove(staged),
  sweep: ({ staging }: DirectoryLocation) => staging.sweep(-1e15),
} as const;
type Operation = keyof typeof operations;

interface Attempt {
  readonly result: unknown;
  readonly at: number;
}

/** What each attempt finds: the object `old`, and a file that was saved. */
async function restore(): Promise<void> {
  for (const name of [fresh, old]) ok(await sound.removeIf(name, () => true));
  await rm(sound.staging.path, { recursive: true, force: true });
  await sound.staging.make();
  ok(await sound.put(old, lent(bytes), expectationOf(bytes)));
  await writeFile(join(sound.staging.path, staged), bytes);
  examined = ok(await sound.staging.examine(staged));
}

/** Fails call 1, then 2, and so on until the operation ends before its call fails. Answers with how many there were. */
async function atEveryCall(
  operation: Operation,
  failure: Omit<Failure, "at">,
  check: (attempt: Attempt) => Promise<void>,
): Promise<number> {
  for (let at = 1; ; at++) {
    await restore();
    const fs = failingFs();
    const location = await openAt(root.path, { fs });
    fs.restart({ ...failure, at });
    const result: unknown = await operations[operation](location);
    await location.close();
    if (fs.trace.length < at) return at - 1;
    await check({ result, at });
  }
}

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

async function holdsWhole(name: ObjectName): Promise<boolean> {
  const read = await collect(sound.read(name, [{ offset: 0, length: bytes.length }]));
  return read.equals(bytes);
}

describe.each(Object.keys(operations) as Operation[])("%s", (operation) => {
  it("answers `io` when any of its calls fails, and leaves no descriptor", async () => {
    const before = openDescriptors();
    const calls = await atEveryCall(operation, { mode: "once" }, async ({ result, at }) => {
      // Folders were only looked at, so nothing is lost if closing one fails.
      if (result instanceof LocationFault) expect(faultOf(result), `call ${at}`).toBe("io");
      const message = `call ${at}`;
      await expect.poll(openDescriptors, { interval: 1, message }).toBeLessThanOrEqual(before);
    });
    expect(calls).toBeGreaterThan(3);
  });

  it("answers `no_space` when the device is full at any of its calls", async () => {
    const full = { mode: "once", errno: "ENOSPC" } as const;
    const calls = await atEveryCall(operation, full, async ({ result, at }) => {
      if (result instanceof LocationFault) expect(result.code, `call ${at}`).toBe("no_space");
    });
    expect(calls).toBeGreaterThan(3);
  });
});

it("what is assessed is staged as before, and under no other name", async () => {
  await restore();
  expect(await sound.staging.assess(staged)).toBeUndefined();
  expect(await listAll(sound)).toMatchObject({ names: [old], leftovers: [], foreign: [] });
  expect(await readdir(sound.staging.path)).toEqual([staged]);
});

it("an adoption that answers with a fault has left no object, and one that answers well has all of it", async () => {
  let faults = 0;
  await atEveryCall("adopt", { mode: "once" }, async ({ result, at }) => {
    const hasFailed = result instanceof LocationFault;
    if (hasFailed) faults++;
    const { names } = await listAll(sound);
    expect(names, `call ${at}`).toEqual(hasFailed ? [old] : [fresh, old]);
    if (!hasFailed) expect(await readdir(sound.staging.path)).toEqual([]);
  });
  expect(faults).toBeGreaterThan(5);
});

it("a lending that answers with a fault has left no name for it", async () => {
  let faults = 0;
  await atEveryCall("expose", { mode: "once" }, async ({ result, at }) => {
    const left = await readdir(sound.staging.path);
    expect(left.includes(lending), `call ${at}`).toBe(!(result instanceof LocationFault));
    if (result instanceof LocationFault) faults++;
  });
  expect(faults).toBeGreaterThan(5);
});

it("a crash at any call of an adoption loses the bytes under neither name, and what it leaves is swept", async () => {
  const seen = { staged: 0, both: 0, object: 0 };
  await atEveryCall("adopt", { mode: "crash" }, async ({ at }) => {
    const { names, leftovers, foreign } = await listAll(sound);
    const isStaged = (await readdir(sound.staging.path)).includes(staged);
    const isObject = names.includes(fresh);
    expect(isStaged || isObject, `call ${at}`).toBe(true);
    expect([...leftovers, ...foreign], `call ${at}`).toEqual([]);
    seen[isStaged ? (isObject ? "both" : "staged") : "object"]++;
    ok(await sound.staging.sweep(-1e15));
    if (isObject) expect(await holdsWhole(fresh), `call ${at}`).toBe(true);
    expect(await holdsWhole(old), `call ${at}`).toBe(true);
  });
  expect(Math.min(seen.staged, seen.both, seen.object)).toBeGreaterThan(0);
});

it("what is adopted survives power loss: its bytes before it is said what they are, and its name", async () => {
  await restore();
  const fs = failingFs();
  const location = await openAt(root.path, { fs });
  fs.restart({ at: Infinity, mode: "once" });
  examined = ok(await location.staging.examine(staged));
  ok(await location.staging.adopt(staged, fresh, examined));
  await location.close();
  const steps = fs.trace.filter((call) => ["chmod", "sync", "link", "unlink"].includes(call));
  const folders = ["chmod", "sync", "chmod", "sync"];
  expect(steps).toEqual(["chmod", "sync", ...folders, "link", "unlink", "sync", "sync"]);
});

const child = fileURLToPath(new URL("location-child.ts", import.meta.url));

function adoptUntilKilled(afterMs: number): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const adopting = spawn(process.execPath, [child, "adopt", root.path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    adopting.stdout.once("data", () => setTimeout(() => adopting.kill("SIGKILL"), afterMs));
    adopting.stdout.on("data", (text: Buffer) => (said += text.toString()));
    adopting.on("close", () => resolve(said.split("\n").slice(0, -1)));
  });
}

it("an adoption killed at a random moment, 8 times, leaves each object absent or whole, and done is done", async () => {
  const random = seededRandom(8);
  const done = new Set<string>();
  for (let round = 0; round < 8; round++) {
    for (const name of await adoptUntilKilled(random() * 30)) done.add(name);
  }
  const { names, foreign } = await listAll(sound);
  expect(foreign).toEqual([]);
  expect([...done].filter((name) => !names.includes(name))).toEqual([]);
  const left = await readdir(sound.staging.path);
  expect(left.every((entry) => parseStagedName(entry) !== undefined)).toBe(true);
  expect(ok(await sound.staging.sweep(-1e15))).toBe(left.length);
  for (const name of names) {
    const [crc, length] = name.split("-").map(Number);
    const ranges = [{ offset: 0, length: length ?? 0 }];
    expect(crc32(await collect(sound.read(name as ObjectName, ranges)))).toBe(crc);
  }
}, 60_000);

it("the event loop is never held for longer than a mebibyte takes, however large a file is", async () => {
  const large = patterned(8 * 1024 * 1024 + 3);
  await writeFile(join(sound.staging.path, staged), large);
  const lengths: number[] = [];
  const open: FileSystem["open"] = async (...args) => {
    const file = await nodeFs.open(...args);
    const read = file.read.bind(file) as (...all: unknown[]) => Promise<{ bytesRead: number }>;
    const counted = async (...all: unknown[]) => {
      const result = await read(...all);
      lengths.push(result.bytesRead);
      return result;
    };
    return Object.assign(file, { read: counted });
  };
  const location = await openAt(root.path, { fs: { ...nodeFs, open } });
  const saved = ok(await location.staging.examine(staged));
  ok(await location.staging.adopt(staged, fresh, saved));
  ok(await location.staging.expose(fresh, lending, saved));
  await location.close();
  expect(saved).toMatchObject(expectationOf(large));
  expect(Math.max(...lengths)).toBe(1024 * 1024);
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(2 * large.length);
});
