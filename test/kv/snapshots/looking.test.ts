/** What is seen of snapshots without taking one. */
import { expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { NamespaceKeys } from "../../../src/kv/chain/namespace-keys.ts";
import { SnapshotOnlooker } from "../../../src/kv/snapshots/snapshot-onlooker.ts";
import { GEOMETRY, promptOf, SnapshotBench } from "../../support/kv/snapshot-bench.ts";
import { session } from "../../support/turn-bench.ts";

const STORY = "Once upon a time there was a server with two slots. ".repeat(20);
const OTHER = new Uint8Array(33).fill(8) as typeof GEOMETRY;

async function open() {
  const bench = await SnapshotBench.open();
  await bench.create("s");
  const look = (name: string, geometries = [GEOMETRY]) =>
    bench.desk.look({ session: session(name), prompt: promptOf(STORY), geometries });
  return { bench, look };
}

it("the best of all geometries is seen, and what else the session lists", async () => {
  const { bench, look } = await open();
  const best = await bench.kept("s", STORY, { geometry: OTHER });
  const less = await bench.kept("s", STORY.slice(0, 700));
  const both = { match: { segment: { id: best.id } }, isOutOfReach: false };
  for (const geometries of [
    [GEOMETRY, OTHER],
    [OTHER, GEOMETRY],
  ]) {
    expect(await look("s", geometries)).toMatchObject(both);
  }
  const seen = await look("s");
  expect(seen).toMatchObject({ match: { segment: { id: less.id } } });
  const listed = typeof seen === "string" ? [] : seen.listed;
  expect(new Set(listed.map(({ id }) => id))).toEqual(new Set([best.id, less.id]));
  expect(await look("s", [])).toMatchObject({ match: undefined, isOutOfReach: false });
  expect(await bench.close()).toEqual([]);
});

it("of a session that is not there is seen what its tenant's begin with, and of no tenant nothing", async () => {
  const { bench, look } = await open();
  const { id } = await bench.kept("s", STORY);
  expect(await look("none")).toMatchObject({ match: { segment: { id } }, listed: [] });
  expect(await look("t/none")).toMatchObject({ match: undefined });
  expect(await look("nobody/none")).toBe("unknown_tenant");
  expect(await bench.close()).toEqual([]);
});

it("one that lies where nothing is configured is out of reach", async () => {
  const { bench } = await open();
  await bench.kept("s", STORY);
  const digests = createDigests();
  const keys = new NamespaceKeys(Buffer.from("a secret of the bench"), digests);
  const quota = { bytes: 0, sessions: 0, pins: 0 };
  const onlooker = new SnapshotOnlooker({
    catalog: bench.catalog,
    keys,
    digests,
    scheduler: bench.clock,
    tenants: { tenant: (name) => ({ key: keys.tenant(name), quota, trusts: [] }) },
    places: { all: () => new Set(["elsewhere"]) },
    nowMs: () => bench.clock.now(),
  });
  const asked = { session: session("s"), prompt: promptOf(STORY), geometries: [GEOMETRY] };
  expect(await onlooker.look(asked)).toMatchObject({ match: undefined, isOutOfReach: true });
  expect(await bench.close()).toEqual([]);
});
