import * as fs from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { Site } from "../../../src/kv/reach.ts";
import { entriesIn } from "../../support/root-entries.ts";
import { SMALL_TOKEN_BYTES } from "../../support/small-model.ts";
import { type BenchOptions, session, type TurnBench, turnOf } from "../../support/turn-bench.ts";
import { unmount } from "../../support/unmounted.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import {
  HALF_LIFE_MS,
  REPLICA_POLICY,
  ReplicaStand,
  type ReplicaStandOptions,
} from "./replica-stand.ts";

const STORY = "a story that all of them begin with";
const site = (id: string, who: Partial<Site> = {}): Site => ({
  id,
  labels: {},
  engines: true,
  ...who,
});
const TWO = [site("a"), site("b")];

describe.each(CATALOGS)("the replicator over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** The session `own` has stored the story at the first site. */
  async function stand(
    options: ReplicaStandOptions = {},
    on: Omit<BenchOptions, "catalog"> = { sites: TWO },
    around?: (catalog: Catalog) => Catalog,
  ): Promise<ReplicaStand> {
    const bench = await benches.open(on, around);
    await bench.create("own");
    await bench.turn("own", STORY, "");
    return new ReplicaStand(bench, options);
  }

  /** A turn of a session that begins with the story; where it was told to read that. */
  async function read(bench: TurnBench, id: string): Promise<string> {
    await bench.create(id);
    const plan = await bench.plan(id, `${STORY} ${id}`, { maxNewTokens: 0 });
    await bench.desk.abort(turnOf(plan), "client_gone");
    const [first] = plan.stored;
    return first?.kvUri.slice("file:///".length).split("/")[0] ?? "nowhere";
  }

  /** So many turns in each second, each of another of a hundred sessions; where they read. */
  async function readers(stand: ReplicaStand, seconds: number, turns: number): Promise<string[]> {
    const places: string[] = [];
    await stand.seconds(seconds, async (second) => {
      for (let turn = 0; turn < turns; turn++) {
        places.push(await read(stand.bench, `s${(second * turns + turn) % 100}`));
      }
    });
    return places;
  }

  it("gives what a hundred sessions begin with a second copy, over which their reads spread, and takes it away when they are gone [T8]", async () => {
    const hot = await stand();
    expect(new Set(await readers(hot, 4, 3))).toEqual(new Set(["a"]));
    await readers(hot, 8, 3);
    expect(await hot.locationsOf("own")).toEqual([["a", "b"]]);
    expect(hot.made).toMatchObject([{ location: "b", cause: "reads", result: "copied" }]);
    const places = await readers(hot, 34, 3);
    const atA = places.filter((place) => place === "a").length;
    expect(places.length).toBe(102);
    expect(Math.abs(atA / places.length - 0.5)).toBeLessThan(0.1);
    await hot.seconds(60, () => {});
    expect(await hot.locationsOf("own")).toEqual([["a"]]);
    expect(hot.dropped).toMatchObject([{ location: "b", cause: "cooled", result: "dropped" }]);
    expect(hot.made).toHaveLength(1);
  });

  it("leaves a segment alone for a while after a change", async () => {
    const hot = await stand();
    await readers(hot, 9, 3);
    const madeMs = hot.bench.clock.now();
    expect(hot.made).toHaveLength(1);
    await hot.seconds(REPLICA_POLICY.coolDownMs / 1_000 - 4, () => {});
    expect([hot.dropped.length, hot.rates.isWarm]).toEqual([0, true]);
    await hot.seconds(8, () => {});
    expect(hot.dropped).toHaveLength(1);
    expect(hot.bench.clock.now()).toBeGreaterThan(madeMs + REPLICA_POLICY.coolDownMs);
  });

  it("drops nothing that a former process made before it has watched for long enough, and finds it without a read", async () => {
    const before = await stand();
    await before.copier.copyAll("own", "b");
    const restarted = new ReplicaStand(before.bench);
    await restarted.seconds((2 * HALF_LIFE_MS) / 1_000 - 1, () => {});
    expect(await restarted.locationsOf("own")).toEqual([["a", "b"]]);
    await restarted.seconds(1, () => {});
    expect(await restarted.locationsOf("own")).toEqual([["a"]]);
  });

  it("makes none at a location without room for it beside its headroom, and books nothing there", async () => {
    const [diskBytes, bytes] = [10_000, STORY.length * SMALL_TOKEN_BYTES];
    for (const [missing, made] of [
      [1, []],
      [0, ["b"]],
    ] as const) {
      const headroomBytes = diskBytes - bytes + missing;
      const hot = await stand({ headroomBytes }, { sites: TWO, diskBytes });
      const [segment] = await hot.bench.catalog.segments(session("own"));
      if (segment !== undefined) hot.rates.add(segment.id, 100);
      await hot.pass();
      expect(hot.made.map(({ location }) => location)).toEqual(made);
      const { bookedBytes } = await hot.bench.catalog.locationUsage("b");
      expect(bookedBytes).toBe(made.length * bytes);
    }
  });

  it("makes none of bytes that are damaged, has the scrubber look at them, and does not try in each pass", async () => {
    const hot = await stand();
    await hot.bench.write({ kvUri: "file:///a/own", kvStart: 0, tokenStart: 0, tokenLength: 1 }, 1);
    const [segment] = await hot.bench.catalog.segments(session("own"));
    for (let reads = 0; reads < 100; reads++) if (segment) hot.rates.add(segment.id, 1);
    await hot.seconds(20, () => {});
    expect(hot.made).toMatchObject([{ result: "unreadable" }]);
    expect(hot.copier.scrubbed).toEqual([segment?.id]);
    expect(await entriesIn(`${hot.bench.root}/b`)).toEqual([]);
  });

  it.each(["does not answer", "is not mounted"])(
    "keeps a copy while the place of the only other one %s, and drops it when that is back",
    async (how) => {
      const cold = await stand();
      await cold.copier.copyAll("own", "b");
      const answering = Promise.withResolvers<void>();
      if (how === "does not answer") cold.hung.add("a", answering.promise);
      const mount = how === "is not mounted" ? await unmount(`${cold.bench.root}/a`) : undefined;
      await cold.seconds(60, () => {});
      expect(cold.dropped).toMatchObject([{ location: "b", result: "unsure" }]);
      answering.resolve();
      await mount?.();
      await cold.seconds(60, () => {});
      expect(await cold.locationsOf("own")).toEqual([["a"]]);
    },
  );

  it("keeps a copy while the others are not whole", async () => {
    const cold = await stand();
    await cold.copier.copyAll("own", "b");
    await fs.rm(`${cold.bench.root}/a/own`);
    await cold.seconds(60, () => {});
    expect(await cold.locationsOf("own")).toEqual([["a", "b"]]);
    expect(cold.dropped).toMatchObject([{ location: "b", result: "unsure" }]);
    const [segment] = await cold.bench.catalog.segments(session("own"));
    expect(cold.scrubbed).toEqual([segment?.id]);
  });

  it("makes as many copies of everything as there are to be at least, and never drops them", async () => {
    const safe = await stand(
      { min: 2, bytesPerPass: 1 },
      { sites: [site("a"), site("b"), site("c")] },
    );
    await safe.bench.turn("own", `${STORY} and on`, "");
    const [, second] = await safe.bench.catalog.segments(session("own"));
    if (second !== undefined) safe.replicator.stored(second.id);
    await safe.pass();
    expect(safe.made).toMatchObject([{ segment: second?.id, cause: "minimum", result: "copied" }]);
    await safe.pass();
    const copies = await safe.locationsOf("own");
    expect(copies.map((locations) => locations.length)).toEqual([2, 2]);
    await safe.seconds(200, () => {});
    expect(safe.dropped).toEqual([]);
  });

  it("copies the most read first, and no more in a pass than it may", async () => {
    const hot = await stand({ bytesPerPass: 1 });
    await hot.bench.turn("own", `${STORY} and on`, "");
    const [first, second] = await hot.bench.catalog.segments(session("own"));
    if (first === undefined || second === undefined) throw new Error("there are two");
    for (let reads = 0; reads < 100; reads++) hot.rates.add(first.id, 1);
    for (let reads = 0; reads < 200; reads++) hot.rates.add(second.id, 1);
    await hot.pass();
    expect(await hot.locationsOf("own")).toEqual([["a"], ["a", "b"]]);
    await hot.pass();
    expect(await hot.locationsOf("own")).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
  });

  it("makes as many at once as the rate asks for, at the locations that are read least first", async () => {
    const sites = ["a", "b", "c", "d"].map((id) => site(id));
    const hot = await stand({}, { sites });
    for (const [id, bytes] of [
      ["b", 900],
      ["c", 100],
      ["d", 500],
    ] as const)
      hot.loads.add(id, bytes);
    const [segment] = await hot.bench.catalog.segments(session("own"));
    for (let reads = 0; reads < 40; reads++) if (segment) hot.rates.add(segment.id, 1);
    await hot.pass();
    expect(hot.made.map(({ location }) => location)).toEqual(["c", "d"]);
  });

  it("makes copies where everybody reads them who reads the first, and nowhere else", async () => {
    const here = { zone: "here" };
    const sites = [
      site("a", { labels: here }),
      site("archive", { engines: false }),
      site("elsewhere", { labels: { zone: "elsewhere" } }),
      site("near", { labels: here }),
    ];
    const hot = await stand({}, { sites });
    await readers(hot, 15, 5);
    expect(hot.made.map(({ location }) => location)).toEqual(["near"]);
  });

  it("makes none in a slower tier because of reads, and drops what is there when nobody has read it for long", async () => {
    const hot = await stand({ idleMs: 600_000 }, { memoryBytes: 2 ** 20 });
    expect(await hot.locationsOf("own")).toEqual([["memory"]]);
    await readers(hot, 15, 3);
    expect(hot.made).toEqual([]);
    await hot.bench.clock.advance(500_000);
    await hot.copier.copyAll("own", "disk");
    await hot.bench.clock.advance(500_000);
    await hot.pass();
    expect(await hot.locationsOf("own")).toEqual([["memory", "disk"]]);
    await hot.bench.clock.advance(100_000);
    await hot.pass();
    expect(hot.dropped).toMatchObject([{ location: "disk", cause: "idle", result: "dropped" }]);
  });

  it("ends a pass when it is told to, in the middle of a copy", async () => {
    const hot = await stand();
    const [segment] = await hot.bench.catalog.segments(session("own"));
    for (let reads = 0; reads < 100; reads++) if (segment) hot.rates.add(segment.id, 1);
    hot.closing.abort();
    await hot.pass();
    expect(hot.made).toEqual([]);
  });
});
