import * as fs from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { CopyOptions } from "../../src/kv/copier.ts";
import { BenchCopier } from "../support/bench-copier.ts";
import { entriesIn } from "../support/root-entries.ts";
import { SMALL_TOKEN_BYTES } from "../support/small-model.ts";
import { session, type TurnBench } from "../support/turn-bench.ts";
import { Benches, CATALOGS } from "./turns/catalogs.ts";

const STORY = "a story of some length";

describe.each(CATALOGS)("the copier over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  let bench: TurnBench;
  let copier: BenchCopier;
  /** In memory, where the session `a` stored it. */
  beforeEach(async () => {
    bench = await benches.open({ memoryBytes: 2 ** 20 });
    copier = new BenchCopier(bench);
    await bench.create("a");
    await bench.turn("a", STORY, "");
  });
  afterEach(async () => expect(await benches.close()).toEqual([]));

  const toDisk = async (options?: CopyOptions) =>
    copier.copy(await copier.segment("a"), copier.location("disk"), options);
  const onDisk = async () => (await entriesIn(bench.root)).filter((name) => name !== "memory");
  const booked = async () => (await bench.catalog.locationUsage("disk")).bookedBytes;
  const replicas = async () => (await copier.segment("a")).replicas;

  it("makes one more copy, with the same bytes, in an object of its own", async () => {
    expect(await toDisk()).toBe("copied");
    expect(await replicas()).toMatchObject([{ location: "disk", name: "replica1", kvStart: 0 }]);
    const copy = await fs.readFile(bench.pathOf("file:///replica1"));
    expect(copy).toEqual(await fs.readFile(bench.pathOf("file:///memory/a")));
    expect(copy).toHaveLength(STORY.length * SMALL_TOKEN_BYTES);
  });

  it("reads the copy that the segment is in", async () => {
    await toDisk();
    const {
      replicas: [onDiskCopy],
      ...segment
    } = await copier.segment("a");
    const { location, name } = onDiskCopy ?? segment.file;
    await fs.rm(bench.pathOf("file:///memory/a"));
    const read = { ...segment, file: { location, name }, kvStart: 0, replicas: [] };
    expect(await copier.move(read)).toBe("moved");
    expect(await replicas()).toMatchObject([{ location: "disk", name: "replica2" }]);
  });

  it("does nothing where there is one already", async () => {
    expect(await toDisk()).toBe("copied");
    expect(await toDisk()).toBe("present");
    expect(await onDisk()).toEqual(["replica1"]);
  });

  it("never records damaged bytes, and has the scrubber look at them", async () => {
    await bench.write({ kvUri: "file:///memory/a", kvStart: 0, tokenStart: 0, tokenLength: 1 }, 1);
    expect(await toDisk()).toBe("unreadable");
    expect(copier.scrubbed).toEqual([(await copier.segment("a")).id]);
    expect([await replicas(), await onDisk(), await booked()]).toEqual([[], [], 0]);
  });

  it("says that the source is not there, and leaves nothing", async () => {
    await fs.rm(bench.pathOf("file:///memory/a"));
    expect(await toDisk()).toBe("unreadable");
    expect(copier.scrubbed).toHaveLength(1);
    expect([await onDisk(), await booked()]).toEqual([[], 0]);
  });

  it("ends when it is told to, before it begins and at a chunk, and leaves nothing", async () => {
    expect(await toDisk({ signal: AbortSignal.abort() })).toBe("cancelled");
    const leaving = new AbortController();
    copier = new BenchCopier(bench, { pace: { pay: async () => leaving.abort() } });
    expect(await toDisk({ signal: leaving.signal })).toBe("cancelled");
    expect([await replicas(), await onDisk(), await booked()]).toEqual([[], [], 0]);
    expect(copier.scrubbed).toEqual([]);
  });

  it("writes no chunk before its pace says so", async () => {
    const paced: number[] = [];
    let drafts: readonly string[] = [];
    const pay = async (bytes: number) => {
      paced.push(bytes);
      drafts = await sizesOf(bench.root);
    };
    copier = new BenchCopier(bench, { pace: { pay } });
    expect(await toDisk()).toBe("copied");
    expect(paced).toEqual([STORY.length * SMALL_TOKEN_BYTES]);
    expect(drafts).toEqual(["0"]);
  });

  it("keeps all further copies to one pace, whoever asks, and none that is moved", async () => {
    let paidBytes = 0;
    const pace = { pay: async (bytes: number) => void (paidBytes += bytes) };
    const one = new BenchCopier(bench, { pace });
    expect(await one.copyAll("a", "disk")).toEqual(["copied"]);
    const bytes = STORY.length * SMALL_TOKEN_BYTES;
    expect(paidBytes).toBe(bytes);
    expect(await one.move(await one.segment("a"))).toBe("moved");
    expect(paidBytes).toBe(bytes);
  });

  it("gives up what took too long, and what ended meanwhile", async () => {
    const late = () => bench.clock.advance(60_000);
    copier = new BenchCopier(bench, { pace: { pay: late } });
    expect(await toDisk()).toBe("late");
    const ending = async () => void (await bench.catalog.end(session("a"), bench.clock.now()));
    copier = new BenchCopier(bench, { pace: { pay: ending } });
    expect(await toDisk()).toBe("gone");
    expect([await onDisk(), await booked()]).toEqual([[], 0]);
  });

  it("makes none where there is no room, and none of what is gone", async () => {
    const segment = await copier.segment("a");
    const tight = await benches.open({ memoryBytes: 2 ** 20, diskBytes: 10 });
    const intoTight = new BenchCopier(tight);
    await tight.create("a");
    await tight.turn("a", STORY, "");
    expect(await intoTight.copyAll("a", "disk")).toEqual(["no_space"]);
    await bench.catalog.end(session("a"), bench.clock.now());
    expect(await copier.copy(segment, copier.location("disk"))).toBe("gone");
    expect(await onDisk()).toEqual([]);
  });

  it("records one of two that are made at once, and nothing is left of the other", async () => {
    const results = await Promise.all([toDisk(), toDisk()]);
    expect(results.toSorted()).toEqual(["copied", "gone"]);
    expect(await onDisk()).toHaveLength(1);
    expect(await booked()).toBe(STORY.length * SMALL_TOKEN_BYTES);
  });
});

/** Of what a put has begun. */
async function sizesOf(root: string): Promise<readonly string[]> {
  const drafts = (await fs.readdir(root)).filter((name) => name.endsWith(".part"));
  return Promise.all(drafts.map(async (name) => String((await fs.stat(`${root}/${name}`)).size)));
}
