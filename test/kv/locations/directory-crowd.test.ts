/** Thousands of callers at a time, as in a burst of plans, and a process that may have few files open. */
import * as nodeFs from "node:fs/promises";
import { afterEach, beforeEach, expect, it } from "vitest";

import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import { LocationFault, type ObjectName } from "../../../src/kv/location.ts";
import { expectationOf, lent, patterned } from "../../support/bytes.ts";
import { ok } from "../../support/location-results.ts";
import { createRoot, openAt } from "./roots.ts";

const CALLERS = 2_000;
/** Two folders and a file of each of 64, and the root. */
const DESCRIPTORS = 3 * 64 + 1;

let root: Awaited<ReturnType<typeof createRoot>>;
beforeEach(async () => (root = await createRoot()));
afterEach(() => root.remove());

/** Node's own, which counts what is open. */
function countingFs() {
  const seen = { open: 0, most: 0 };
  const open: FileSystem["open"] = async (...args) => {
    const file = await nodeFs.open(...args);
    seen.open += 1;
    seen.most = Math.max(seen.most, seen.open);
    const close = file.close.bind(file);
    file.close = async () => {
      seen.open -= 1;
      await close();
    };
    return file;
  };
  return { fs: { ...nodeFs, open }, seen };
}

it("holds a bounded number of descriptors, whatever is asked of it at once, and answers all", async () => {
  const { fs, seen } = countingFs();
  const location = await openAt(root.path, { fs, naming: "sharded" });
  const names = Array.from({ length: CALLERS }, (_, at) => `object-${at}` as ObjectName);
  const made = await Promise.all(names.map((name) => location.reserve(name, 10)));
  expect(made.filter((result) => result instanceof LocationFault)).toEqual([]);
  const found = await Promise.all(names.map((name) => location.stat(name)));
  expect(found.map((stat) => ok(stat)?.sizeBytes)).toEqual(names.map(() => 10));
  expect(seen.most).toBeLessThanOrEqual(DESCRIPTORS);
  await location.close();
  expect(seen.open).toBe(0);
});

it("lets nobody wait for those who fill objects as slowly as they like", async () => {
  const location = await openAt(root.path);
  const bytes = patterned(1_000);
  const slow = Promise.withResolvers<void>();
  async function* source() {
    await slow.promise;
    yield* lent(bytes);
  }
  const names = Array.from({ length: 100 }, (_, at) => `slow-${at}` as ObjectName);
  const filling = names.map((name) => location.put(name, source(), expectationOf(bytes)));
  ok(await location.reserve("fast" as ObjectName, 10));
  slow.resolve();
  expect((await Promise.all(filling)).map((stat) => ok(stat).sizeBytes)).toEqual(
    names.map(() => 1_000),
  );
  await location.close();
});
