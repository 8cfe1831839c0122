/** What an answer waits for, and what it does not. */
import * as nodeFs from "node:fs/promises";
import { afterEach, beforeEach, expect, it } from "vitest";

import type { Naming } from "../../../src/kv/locations/directory-naming.ts";
import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { faultOf, ok } from "../../support/location-results.ts";
import { createRoot, openAt } from "./roots.ts";

const name = "a" as ObjectName;

let root: Awaited<ReturnType<typeof createRoot>>;
beforeEach(async () => (root = await createRoot()));
afterEach(() => root.remove());

/** Node's own; from `hold` to `release` nothing is closed, or no device tells its room. */
function slowFs() {
  const gates = { close: Promise.resolve(), statfs: Promise.resolve() };
  let release = () => {};
  /** `left`: open when the last close began. */
  const seen = { open: 0, left: 0 };
  const open: FileSystem["open"] = async (...args) => {
    const file = await nodeFs.open(...args);
    seen.open++;
    const close = file.close.bind(file);
    file.close = async () => {
      seen.left = seen.open;
      await gates.close;
      seen.open--;
      await close();
    };
    return file;
  };
  const statfs: FileSystem["statfs"] = async (path) => {
    await gates.statfs;
    return nodeFs.statfs(path);
  };
  const hold = (what: keyof typeof gates) => {
    ({ promise: gates[what], resolve: release } = Promise.withResolvers<void>());
  };
  return { fs: { ...nodeFs, open, statfs }, seen, hold, release: () => release() };
}

async function openSlow(naming: Naming) {
  const { fs, ...slow } = slowFs();
  const location = await openAt(root.path, { fs, naming });
  ok(await location.reserve(name, 10));
  await expect.poll(() => slow.seen.open, { interval: 1 }).toBe(1); // the root's
  return { ...slow, location };
}

it.each(["sharded", "flat"] as const)(
  "an object that was looked at is answered before its folders are closed, which a close of the root waits for (%s)",
  async (naming) => {
    const { location, seen, hold, release } = await openSlow(naming);
    hold("close");
    expect(ok(await location.stat(name))?.sizeBytes).toBe(10);
    expect(seen.open).toBe(naming === "sharded" ? 3 : 1);
    const closed = location.close();
    release();
    await closed;
    expect(seen).toEqual({ open: 0, left: 1 });
  },
);

it.each(["sharded", "flat"] as const)(
  "an object that has grown is answered before it is closed, which a close of the root waits for (%s)",
  async (naming) => {
    const { location, seen, hold, release } = await openSlow(naming);
    hold("close");
    expect(faultOf(await location.extend(name, 10, 20))).toBeUndefined();
    expect(seen.open).toBe(naming === "sharded" ? 4 : 2);
    const closed = location.close();
    release();
    await closed;
    expect(seen).toEqual({ open: 0, left: 1 });
  },
);

it("a device is asked for its room while the folder is opened, and nothing grows before it has told it", async () => {
  const { location, seen, hold, release } = await openSlow("sharded");
  hold("statfs");
  const growing = location.extend(name, 10, 20);
  await expect.poll(() => seen.open, { interval: 1 }).toBe(3);
  expect(ok(await location.stat(name))?.sizeBytes).toBe(10);
  release();
  expect(faultOf(await growing)).toBeUndefined();
  expect(ok(await location.stat(name))?.sizeBytes).toBe(20);
  await location.close();
});

it("a location that is closed takes nothing, and leaves no rejection behind", async () => {
  const location = await openAt(root.path);
  await location.close();
  await expect(location.extend(name, 10, 20)).rejects.toThrow("closed");
  await expect(location.reserve(name, 10)).rejects.toThrow("closed");
});
