import { describe, expect, it } from "vitest";

import { CopyTimes } from "../../../src/kv/readahead/copy-times.ts";

const MEMORY = { id: "memory", tier: "memory" } as const;
const UP = { from: { id: "archive", tier: "remote" }, to: MEMORY } as const;

describe("times of copies", () => {
  it("are unknown before the first, of each way by itself", () => {
    const times = new CopyTimes();
    times.add(UP, 1_000, 10);
    expect(times.msOf(UP, 5_000)).toBe(50);
    const disk = { id: "disk", tier: "disk" } as const;
    expect(times.msOf({ from: disk, to: MEMORY }, 5_000)).toBeUndefined();
  });

  it("are those of a place itself, and until there are any those of its tier", () => {
    const times = new CopyTimes();
    const share = { from: { id: "share", tier: "remote" }, to: MEMORY } as const;
    times.add(UP, 1_000, 10);
    expect(times.msOf(share, 1_000)).toBe(10);
    times.add(share, 1_000, 500);
    expect(times.msOf(share, 1_000)).toBe(500);
    expect(times.msOf(UP, 1_000)).toBe(10);
  });

  it("follow a place that became slower within a few copies", () => {
    const times = new CopyTimes();
    for (let copy = 0; copy < 20; copy++) times.add(UP, 1_000, 1);
    for (let copy = 0; copy < 10; copy++) times.add(UP, 1_000, 100);
    expect(times.msOf(UP, 1_000)).toBeGreaterThan(85);
    expect(times.msOf(UP, 1_000)).toBeLessThan(100);
  });

  it("weigh copies by their bytes", () => {
    const times = new CopyTimes();
    times.add(UP, 1_000_000, 1_000);
    times.add(UP, 1, 5);
    expect(times.msOf(UP, 1_000_000)).toBeCloseTo(1_006, 0);
  });

  it("learn nothing of a copy that came to nothing", () => {
    const times = new CopyTimes();
    times.add(UP, 0, 5_000);
    expect(times.msOf(UP, 1)).toBeUndefined();
  });
});
