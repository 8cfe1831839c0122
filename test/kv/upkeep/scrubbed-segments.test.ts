import { crc32 } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";

import type { Location } from "../../../src/kv/location.ts";
import { olderThan, scrubbedSegments } from "../../../src/kv/upkeep/scrubbed-segments.ts";
import { Scrubber } from "../../../src/kv/verify/scrubber.ts";
import { BenchCopier } from "../../support/bench-copier.ts";
import { saveOnDisk } from "../../support/bench-snapshots.ts";
import { settle } from "../../support/fake-clock.ts";
import { session, type TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

describe.each(CATALOGS)("what is scrubbed over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** A session with two segments in one file. */
  async function stored(): Promise<TurnBench> {
    const bench = await benches.open();
    await bench.create("a");
    await bench.turn("a", "one ", "two ");
    await bench.turn("a", "one two three ", "four ");
    return bench;
  }

  const idsOf = async ({ catalog }: TurnBench) =>
    (await catalog.segments(session("a"))).map(({ id }) => id);

  function locationsOf({ locations }: TurnBench): ReadonlyMap<string, Location> {
    return new Map(locations.map((location) => [location.profile.id, location]));
  }

  it("is every durable segment, and the damaged one is condemned", async () => {
    const bench = await stored();
    const [first, second] = await idsOf(bench);
    await bench.write({ kvUri: "file:///a", kvStart: 0, tokenStart: 0, tokenLength: 1 }, 0x11);
    expect(await scrubOnce(bench)).toEqual(["crc", "ok"]);
    expect(await idsOf(bench)).toEqual([second]);
    expect(await bench.catalog.segment(first ?? ("" as never))).toBeUndefined();
  });

  it("is every snapshot too, whole", async () => {
    const bench = await stored();
    const { file, segment } = await saveOnDisk(bench, { name: "a", text: "one two" });
    expect(await scrubOnce(bench)).toEqual(["ok", "ok", "ok"]);
    const kvUri = `file:///${file.name}`;
    await bench.write({ kvUri, kvStart: 60, tokenStart: 0, tokenLength: 1 }, 0x11);
    expect(await scrubOnce(bench)).toEqual(["crc", "ok", "ok"]);
    expect(await bench.catalog.segment(segment)).toBeUndefined();
  });

  /** A round; what it came to, in order of the words. */
  async function scrubOnce(bench: TurnBench): Promise<readonly string[]> {
    const results: string[] = [];
    let rounds = 0;
    const scrubber = new Scrubber({
      clock: bench.clock,
      crc32,
      segments: scrubbedSegments({ catalog: bench.catalog, locations: locationsOf(bench) }),
      observer: {
        scrubbed: ({ result }) => results.push(result),
        roundEnded: () => rounds++,
        notSoon: () => undefined,
        failed: (reason) => results.push(String(reason)),
      },
      scrubIntervalMs: 86_400_000,
      bytesPerSecond: 1e9,
      soonLimit: 10,
      retryMs: 1_000,
    });
    while (rounds === 0) {
      if (bench.clock.pendingTimers === 0) await settle();
      else await bench.clock.advance(1);
    }
    await scrubber.close();
    return results.toSorted();
  }

  it("is each copy of a segment, and the damaged one alone is condemned", async () => {
    const bench = await benches.open({ memoryBytes: 2 ** 20 });
    const copier = new BenchCopier(bench);
    await bench.create("a");
    await bench.turn("a", "one ", "two ");
    await copier.copyAll("a", "disk");
    const segments = scrubbedSegments({ catalog: bench.catalog, locations: locationsOf(bench) });
    const before = await copier.segment("a");
    const copies = await segments.next(undefined);
    expect(copies.map(({ location, segment }) => [location.profile.id, segment.file])).toEqual([
      ["memory", before.file],
      ["disk", { location: "disk", name: "replica1" }],
    ]);
    expect(await segments.find(before.id)).toEqual(copies);
    await bench.write({ kvUri: "file:///replica1", kvStart: 0, tokenStart: 0, tokenLength: 1 }, 1);
    expect(await scrubOnce(bench)).toEqual(["crc", "ok"]);
    expect(await copier.segment("a")).toEqual({ ...before, replicas: [] });
    const left = new Map([...locationsOf(bench)].filter(([id]) => id !== "memory"));
    expect(
      await scrubbedSegments({ catalog: bench.catalog, locations: left }).next(undefined),
    ).toEqual([]);
  });

  it("is nothing at a location that there is no more, and the search for others goes on", async () => {
    const bench = await stored();
    const none = scrubbedSegments({ catalog: bench.catalog, locations: new Map() });
    expect(await none.next(undefined)).toEqual([]);
    const [first] = await idsOf(bench);
    expect(first && (await none.find(first))).toEqual([]);
  });

  it("keeps the position every so often, and the end of a round at once", async () => {
    const bench = await stored();
    const segments = scrubbedSegments({
      catalog: bench.catalog,
      locations: locationsOf(bench),
    });
    const [first] = await idsOf(bench);
    for (let read = 1; read <= 63; read++) await segments.keepPosition(first);
    expect(await segments.position()).toBeUndefined();
    await segments.keepPosition(first);
    expect(await segments.position()).toBe(first);
    await segments.keepPosition(undefined);
    expect(await segments.position()).toBeUndefined();
  });

  it("is soon what lies in a file beside the last segment of a turn in it", async () => {
    const bench = await stored();
    const [first, second] = await bench.catalog.segments(session("a"));
    if (first === undefined || second === undefined) throw new Error("not stored");
    expect(await olderThan(bench.catalog, second)).toEqual([first.id]);
  });
});
