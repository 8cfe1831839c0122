import { beforeEach, describe, expect, it } from "vitest";

import { CopyPace } from "../../src/kv/copy-pace.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";

const NEVER = new AbortController().signal;

describe("a pace of 1,000 bytes per second", () => {
  let clock: FakeClock;
  let pace: CopyPace;
  beforeEach(() => {
    clock = new FakeClock();
    pace = new CopyPace({ clock, bytesPerSecond: 1_000 });
  });

  /** When each was let go, from now on, in milliseconds. */
  async function gone(costs: readonly number[], withinMs: number): Promise<number[]> {
    const startMs = clock.now();
    const ends: number[] = [];
    for (const bytes of costs) {
      void pace.pay(bytes, NEVER).then(() => ends.push(clock.now() - startMs));
    }
    await settle();
    await clock.advance(withinMs);
    return ends;
  }

  it("lets bytes go when their time is over, one caller after the other", async () => {
    expect(await gone([120, 100, 50], 1_000)).toEqual([100, 200, 250]);
  });

  it("makes up for no more than 20 ms of what was not used", async () => {
    await clock.advance(60_000);
    expect(await gone([20, 100], 1_000)).toEqual([0, 100]);
  });

  it("never lets more than its rate go, and 20 ms of it, whoever asks and when", async () => {
    const startMs = clock.now();
    let bytes = 0;
    for (let asked = 1; asked <= 200; asked++) {
      const size = (asked * 7) % 90;
      void pace.pay(size, NEVER).then(() => (bytes += size));
      await clock.advance((asked * 13) % 80);
      expect(bytes).toBeLessThanOrEqual(clock.now() - startMs + 20);
    }
    expect(bytes).toBeGreaterThan(5_000);
  });

  it("ends a wait that nobody is in any more, and takes nothing for it", async () => {
    const left = new AbortController();
    const waiting = pace.pay(60_000, left.signal);
    await clock.advance(1_000);
    left.abort();
    await waiting;
    expect(clock.pendingTimers).toBe(0);
    expect(await gone([100], 1_000)).toEqual([80]);
  });

  it("says what bytes take alone", async () => {
    expect(pace.msOf(2_500)).toBe(2_500);
    await settle();
  });
});
