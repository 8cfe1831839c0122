import { describe, expect, it } from "vitest";

import { openSweeper } from "../../src/bindings/sweeper.ts";
import { FakeClock } from "../support/fake-clock.ts";

function openOnFakeTime() {
  const scheduler = new FakeClock();
  const limits: number[] = [];
  const store = { sweep: (limit: number) => limits.push(limit) };
  const sweeper = openSweeper({ store, scheduler, intervalMs: 1_000, limit: 50 });
  return { scheduler, limits, sweeper };
}

describe("the sweeper", () => {
  it("makes one pass of its limit per interval", async () => {
    const { scheduler, limits } = openOnFakeTime();
    await scheduler.advance(999);
    expect(limits).toEqual([]);
    await scheduler.advance(1);
    expect(limits).toEqual([50]);
    await scheduler.advance(2_000);
    expect(limits).toEqual([50, 50, 50]);
  });

  it("stops at close, which may come twice, and leaves no timer", async () => {
    const { scheduler, limits, sweeper } = openOnFakeTime();
    await scheduler.advance(1_000);
    await sweeper.close();
    await sweeper.close();
    expect(scheduler.pendingTimers).toBe(0);
    await scheduler.advance(5_000);
    expect(limits).toEqual([50]);
  });
});
