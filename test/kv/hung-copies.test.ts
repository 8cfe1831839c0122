/** Copies from and to a place that hangs in the middle. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { CopierOptions } from "../../src/kv/copier.ts";
import { HungLocations } from "../../src/kv/hung-locations.ts";
import { BenchCopier } from "../support/bench-copier.ts";
import { FakeClock } from "../support/fake-clock.ts";
import type { TurnBench } from "../support/turn-bench.ts";
import { until } from "../support/until.ts";
import { Benches, CATALOGS } from "./turns/catalogs.ts";

const STALL_MS = 30_000;

describe.each(CATALOGS)("a copy of which nothing comes over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  let bench: TurnBench;
  let copier: BenchCopier;
  let clock: FakeClock;
  let hung: HungLocations;
  /** What hangs goes on when this resolves. */
  let waking: PromiseWithResolvers<void>;
  let asked: number;
  beforeEach(async () => {
    bench = await benches.open({ memoryBytes: 2 ** 20 });
    clock = new FakeClock();
    hung = new HungLocations(clock);
    waking = Promise.withResolvers();
    asked = 0;
    copier = new BenchCopier(bench, options());
    await bench.create("a");
    await bench.turn("a", "a story of some length", "");
  });
  afterEach(async () => expect(await benches.close()).toEqual([]));

  const options = (): Partial<CopierOptions> => ({ clock, hung, stallMs: STALL_MS });
  const toDisk = async () => copier.copy(await copier.segment("a"), copier.location("disk"));
  const replicas = async () => (await copier.segment("a")).replicas;
  const booked = async () => (await bench.catalog.locationUsage("disk")).bookedBytes;

  function hangReads(): void {
    const memory = copier.location("memory");
    const read = memory.read.bind(memory);
    memory.read = async function* (...args) {
      asked++;
      await waking.promise;
      yield* read(...args);
    };
  }

  /** All is written by then, and is not durable yet. */
  function hangWrites(): void {
    const disk = copier.location("disk");
    const put = disk.put.bind(disk);
    disk.put = async (name, source, expected) => {
      const drained = async function* () {
        yield* source;
        asked++;
        await waking.promise;
      };
      return put(name, drained(), expected);
    };
  }

  async function stalled(copying: Promise<unknown>): Promise<unknown> {
    await until(() => asked > 0);
    await clock.advance(STALL_MS);
    return copying;
  }

  it("is given up, and no other is begun from there until it has ended after all", async () => {
    hangReads();
    expect(await stalled(toDisk())).toBe("source_hung");
    expect(await toDisk()).toBe("source_hung");
    expect(asked).toBe(1);
    waking.resolve();
    await until(() => !hung.isHung("memory"));
    expect([await replicas(), await booked()]).toEqual([[], 0]);
    expect(await toDisk()).toBe("copied");
  });

  it("is told from one that is not made durable, which counts all the same when it is", async () => {
    hangWrites();
    expect(await stalled(toDisk())).toBe("target_hung");
    expect(await toDisk()).toBe("target_hung");
    expect(asked).toBe(1);
    waking.resolve();
    await until(() => !hung.isHung("disk"));
    expect(await replicas()).toMatchObject([{ location: "disk" }]);
    expect(await toDisk()).toBe("present");
  });

  it("is none that waits for its pace, and ends in time where it is slow", async () => {
    const pay = () => clock.advance(10 * STALL_MS);
    copier = new BenchCopier(bench, { ...options(), pace: { pay } });
    expect(await toDisk()).toBe("copied");
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends by itself where it takes longer than any may, at its next chunk", async () => {
    const pay = () => bench.clock.advance(60_000);
    copier = new BenchCopier(bench, { ...options(), pace: { pay } });
    let isWritten = false;
    const segment = await copier.segment("a");
    const progress = () => (isWritten = true);
    expect(await copier.copy(segment, copier.location("disk"), { progress })).toBe("late");
    expect(isWritten).toBe(false);
  });
});
