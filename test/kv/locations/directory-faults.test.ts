/** Each call to the file system fails once, and in another run it is the last that is made, as in a crash. */
import { readdirSync } from "node:fs";
import type { StatsFs } from "node:fs";
import * as nodeFs from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { LocationFault } from "../../../src/kv/location.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import type { DirectoryLocation } from "../../../src/kv/locations/directory.ts";
import { faultOf, listAll, ok } from "../../support/location-results.ts";
import { collect, expectationOf, lent, patterned } from "../../support/bytes.ts";
import { failingFs } from "../../support/failing-fs.ts";
import type { Failure } from "../../support/failing-fs.ts";
import { createRoot, openAt } from "./roots.ts";

const fresh = "fresh" as ObjectName;
const old = "old" as ObjectName;
const bytes = patterned(200_000);
const oldBytes = patterned(3_000, 7);

let root: Awaited<ReturnType<typeof createRoot>>;
let sound: DirectoryLocation;

beforeEach(async () => {
  root = await createRoot();
  sound = await openAt(root.path);
});
afterEach(async () => {
  await sound.close();
  await root.remove();
});

/** Everything that a location does, on a fresh name or on the object that is there. */
const operations = {
  reserve: (location: DirectoryLocation) => location.reserve(fresh, 5_000),
  put: (location: DirectoryLocation) => location.put(fresh, lent(bytes), expectationOf(bytes)),
  extend: (location: DirectoryLocation) => location.extend(old, 3_000, 9_000),
  writeAt: (location: DirectoryLocation) =>
    location.writeAt({
      name: old,
      offset: 0,
      source: lent(oldBytes),
      expect: expectationOf(oldBytes),
    }),
  sync: (location: DirectoryLocation) => location.sync(old),
  stat: (location: DirectoryLocation) => location.stat(old),
  removeIf: (location: DirectoryLocation) => location.removeIf(old, () => true),
  list: (location: DirectoryLocation) => location.list(undefined, 10),
  freeBytes: (location: DirectoryLocation) => location.freeBytes(),
  readInto: (location: DirectoryLocation) => location.readInto(old, 0, new Uint8Array(3_000)),
  read: (location: DirectoryLocation) =>
    collect(location.read(old, [{ offset: 0, length: 3_000 }])).catch((reason: unknown) => {
      if (reason instanceof LocationFault) return reason;
      throw reason;
    }),
} as const;

interface Attempt {
  readonly result: unknown;
  readonly at: number;
  /** False when the operation was over before the call that was to fail. */
  readonly failed: boolean;
}

/** The operation on a location whose call number `at`, after it was opened, fails. */
async function attempt(operation: keyof typeof operations, failure: Failure): Promise<Attempt> {
  const fs = failingFs();
  const location = await openAt(root.path, { fs });
  fs.restart(failure);
  const result: unknown = await operations[operation](location);
  await location.close(); // after which nothing of it is open
  return { result, at: failure.at, failed: fs.trace.length >= failure.at };
}

/** Puts the location back to how each attempt finds it: the object `old`, and nothing else. */
async function restore(): Promise<void> {
  for (const name of [fresh, old]) ok(await sound.removeIf(name, () => true));
  for (const { id } of (await listAll(sound)).leftovers) ok(await sound.discard(id));
  ok(await sound.put(old, lent(oldBytes), expectationOf(oldBytes)));
}

/** Fails call 1, then 2, and so on until the operation ends before its call fails; `check` sees each attempt. */
async function atEveryCall(
  operation: keyof typeof operations,
  failure: Omit<Failure, "at">,
  check: (attempt: Attempt) => Promise<void>,
): Promise<number> {
  for (let at = 1; ; at++) {
    await restore();
    const tried = await attempt(operation, { ...failure, at });
    if (!tried.failed) return at - 1;
    await check(tried);
  }
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

async function isWhole(name: ObjectName): Promise<boolean> {
  const [wanted, length] = name === old ? [oldBytes, oldBytes.length] : [bytes, bytes.length];
  const stat = ok(await sound.stat(name));
  if (stat?.sizeBytes !== length) return false;
  return (await collect(sound.read(name, [{ offset: 0, length }]))).equals(wanted);
}

describe.each(Object.keys(operations) as (keyof typeof operations)[])("%s", (operation) => {
  it("answers `io` when any of its calls fails, and leaves no draft and no descriptor", async () => {
    const before = openDescriptors();
    const calls = await atEveryCall(operation, { mode: "once" }, async ({ result, at }) => {
      // Folders were only looked at, so nothing is lost if closing one fails.
      if (result instanceof LocationFault) expect(faultOf(result), `call ${at}`).toBe("io");
      expect((await listAll(sound)).leftovers, `call ${at}`).toEqual([]);
      await expect.poll(openDescriptors, { interval: 1, message: `call ${at}` }).toBe(before);
    });
    expect(calls).toBeGreaterThan(0);
  });
});

it("a fault tells everything but the name of the object, which may be a session's id", async () => {
  const [named, missing] = ["conversation-1" as ObjectName, "conversation-2" as ObjectName];
  ok(await sound.put(named, lent(oldBytes), expectationOf(oldBytes)));
  const faults = [
    await sound.reserve(named, 1),
    await sound.put(named, lent(oldBytes), expectationOf(oldBytes)),
    await sound.extend(named, 1, 2),
    await sound.readInto(named, 3_000, new Uint8Array(1)),
    await sound.sync(missing),
    await collect(sound.read(missing, [])).catch((reason: unknown) => reason),
  ];
  const codes = ["exists", "exists", "mismatch", "out_of_range", "not_found", "not_found"];
  expect(faults).toMatchObject(codes.map((code) => ({ code })));
  expect(inspect(faults, { depth: null })).not.toContain("conversation");
});

it("a put that answers with a fault has left nothing, and one that answers well has all of it", async () => {
  const faults: number[] = [];
  const calls = await atEveryCall("put", { mode: "once" }, async ({ result, at }) => {
    if (result instanceof LocationFault) faults.push(at);
    const { names } = await listAll(sound);
    expect(names, `call ${at}`).toEqual(result instanceof LocationFault ? [old] : [fresh, old]);
    expect(await isWhole(result instanceof LocationFault ? old : fresh), `call ${at}`).toBe(true);
  });
  expect(faults.length).toBeGreaterThan(10);
  expect(calls).toBeGreaterThan(faults.length);
});

it("a reserve that answers with a fault has left nothing", async () => {
  await atEveryCall("reserve", { mode: "once" }, async ({ result, at }) => {
    const { names } = await listAll(sound);
    expect(names, `call ${at}`).toEqual(result instanceof LocationFault ? [old] : [fresh, old]);
  });
  expect(await listAll(sound)).toMatchObject({ names: [fresh, old] });
});

it.each(["put", "reserve", "extend"] as const)(
  "a full device is `no_space` to %s at any call, and takes nothing",
  async (operation) => {
    await atEveryCall(operation, { mode: "once", errno: "ENOSPC" }, async ({ result, at }) => {
      if (result instanceof LocationFault) expect(result.code, `call ${at}`).toBe("no_space");
      const left = (await listAll(sound)).names;
      expect(left, `call ${at}`).toEqual(
        result instanceof LocationFault || operation === "extend" ? [old] : [fresh, old],
      );
    });
    expect(await isWhole(old)).toBe(operation !== "extend");
  },
);

it("a crash at any call of a put leaves the name absent or whole, and drafts that a sweep finds", async () => {
  const seen = { absent: 0, whole: 0, drafts: 0 };
  await atEveryCall("put", { mode: "crash" }, async ({ at }) => {
    const { names, leftovers } = await listAll(sound);
    seen.drafts += leftovers.length;
    seen[names.includes(fresh) ? "whole" : "absent"]++;
    expect(!names.includes(fresh) || (await isWhole(fresh)), `call ${at}`).toBe(true);
    expect(await isWhole(old), `call ${at}`).toBe(true);
    for (const { id } of leftovers) expect(await sound.discard(id)).toBe(true);
    expect((await listAll(sound)).leftovers, `call ${at}`).toEqual([]);
    expect(!names.includes(fresh) || (await isWhole(fresh)), `call ${at}`).toBe(true);
  });
  expect(seen.absent).toBeGreaterThan(0);
  expect(seen.whole).toBeGreaterThan(0);
  expect(seen.drafts).toBeGreaterThan(0);
});

it("a crash at any call of an extend leaves the bytes that were there", async () => {
  await atEveryCall("extend", { mode: "crash" }, async ({ at }) => {
    const read = await collect(sound.read(old, [{ offset: 0, length: 3_000 }]));
    expect(read.equals(oldBytes), `call ${at}`).toBe(true);
    expect([3_000, 9_000]).toContain(ok(await sound.stat(old))?.sizeBytes);
  });
});

describe("survives power loss", () => {
  /** The calls that decide what is on disk, in order. */
  async function durableSteps(
    operation: (location: DirectoryLocation) => Promise<unknown>,
  ): Promise<readonly string[]> {
    const fs = failingFs();
    const location = await openAt(root.path, { fs });
    fs.restart({ at: Infinity, mode: "once" });
    ok(await operation(location));
    await location.close();
    return fs.trace.filter((call) => ["mkdir", "write", "sync", "link"].includes(call));
  }

  it("what is put: its bytes before it has its name, then the name, and new folders at once", async () => {
    const put = (location: DirectoryLocation): Promise<unknown> =>
      location.put(fresh, lent(oldBytes), expectationOf(oldBytes));
    const folders = ["mkdir", "sync", "mkdir", "sync"];
    expect(await durableSteps(put)).toEqual([...folders, "write", "sync", "link", "sync"]);
  });

  it("what is synced: the file and its name", async () => {
    await restore();
    expect(await durableSteps((location) => location.sync(old))).toEqual(["sync", "sync"]);
  });
});

it("an object that is truncated while it is read is `out_of_range`", async () => {
  const large = patterned(4 * 1024 * 1024);
  ok(await sound.put(fresh, lent(large), expectationOf(large)));
  const path = root.path + new URL(sound.uri(fresh)).pathname;
  const reading = async (): Promise<void> => {
    for await (const chunk of sound.read(fresh, [{ offset: 0, length: large.length }])) {
      expect(chunk.length).toBeGreaterThan(0);
      await nodeFs.truncate(path, 100);
    }
  };
  await expect(reading()).rejects.toMatchObject({ code: "out_of_range" });
});

it("the free-space floor is kept", async () => {
  const free = ok(await sound.freeBytes());
  const profile = { ...sound.profile, capacityBytes: Infinity, freeFloorBytes: free - 2 ** 30 };
  const floored = await openAt(root.path, { profile });
  expect(faultOf(await floored.reserve(fresh, 2 ** 31))).toBe("no_space");
  expect(await floored.stat(fresh)).toBeUndefined();
  ok(await floored.reserve(fresh, 2 ** 20));
  expect(faultOf(await floored.extend(fresh, 2 ** 20, 2 ** 31))).toBe("no_space");
  expect(ok(await floored.stat(fresh))?.sizeBytes).toBe(2 ** 20);
  await floored.close();
});

it("a tmpfs without a limit, which says that it has 0 of 0 blocks, has room", async () => {
  const statfs = async (): Promise<StatsFs> =>
    Object.assign(await nodeFs.statfs(root.path), { blocks: 0, bavail: 0 });
  const location = await openAt(root.path, { fs: { ...nodeFs, statfs } });
  expect(faultOf(await location.reserve(fresh, 1_000))).toBeUndefined();
  await location.close();
});

it("a folder that goes while it is listed is an empty one", async () => {
  await restore();
  const readdir = async (path: string): Promise<string[]> => {
    const entries = await nodeFs.readdir(path);
    const folders = entries.filter((entry) => !entry.startsWith("."));
    for (const entry of folders) await nodeFs.rm(join(root.path, entry), { recursive: true });
    return entries;
  };
  const location = await openAt(root.path, { fs: { ...nodeFs, readdir } });
  expect(ok(await location.list(undefined, 10)).objects).toEqual([]);
  await location.close();
});

it("nothing is done in a location that is closed, and closing again is nothing", async () => {
  const location = await openAt(root.path);
  const putting = location.put(fresh, lent(bytes), expectationOf(bytes));
  await Promise.all([location.close(), location.close()]);
  ok(await putting);
  await expect(location.stat(fresh)).rejects.toMatchObject({ code: "internal" });
  expect(await isWhole(fresh)).toBe(true);
});
