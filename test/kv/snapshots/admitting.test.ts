/** Of which turns a snapshot is kept at all. */
import { afterEach, expect, it } from "vitest";

import { CatalogFault } from "../../../src/kv/catalog-fault.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import { SnapshotBench } from "../../support/kv/snapshot-bench.ts";

const STORY = "What comes once is not worth a file. ".repeat(40);

let bench: SnapshotBench;
afterEach(async () => expect(await bench.close()).toEqual([]));

it("of all that are long enough, and of no session that is not there", async () => {
  bench = await SnapshotBench.open({ minTokens: 100 });
  await bench.create("s");
  expect(await bench.admits("s", "x".repeat(100))).toBe(true);
  expect(await bench.admits("s", "x".repeat(99))).toBe(false);
  expect(await bench.admits("none", "x".repeat(100))).toBe(false);
});

it("in a class of the second hit, of those that go on from one that was seen before, whoever of the tenant asked it", async () => {
  bench = await SnapshotBench.open({ minTokens: 100 });
  for (const name of ["s", "other"]) await bench.create(name, { admission: "second_hit" });
  expect(await bench.admits("s", STORY)).toBe(false);
  expect(await bench.admits("s", `Not that: ${STORY}`)).toBe(false);
  expect(await bench.admits("s", `${STORY} And then?`)).toBe(true);
  expect(await bench.admits("other", STORY)).toBe(true);
  expect(await bench.admits("other", STORY.slice(0, 99))).toBe(false);
});

it("in such a class, of those that go on from what is stored", async () => {
  bench = await SnapshotBench.open();
  await bench.create("s", { admission: "second_hit" });
  await bench.kept("s", STORY);
  expect(await bench.admits("s", `${STORY} And then?`)).toBe(true);
});

it("while the catalog fails, of all: what is saved is told to be not kept", async () => {
  const fail = () => Promise.reject(new CatalogFault("no room for the commit"));
  const around = (catalog: Catalog) =>
    Object.create(catalog, { session: { value: fail } }) as Catalog;
  bench = await SnapshotBench.open({ around });
  expect(await bench.admits("s", STORY)).toBe(true);
});
