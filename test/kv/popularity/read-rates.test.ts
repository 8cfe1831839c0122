import { expect, it } from "vitest";

import type { SegmentId } from "../../../src/kv/records.ts";
import { ReadRates } from "../../../src/kv/popularity/read-rates.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const HALF_LIFE_MS = 60_000;
const [A, B, C] = ["a.0", "b.0", "c.0"] as [SegmentId, SegmentId, SegmentId];

function rates(limit?: number): { rates: ReadRates; clock: FakeClock } {
  const clock = new FakeClock();
  const bounded = limit === undefined ? {} : { limit };
  return { rates: new ReadRates({ clock, halfLifeMs: HALF_LIFE_MS, ...bounded }), clock };
}

it("is the rate of what is read evenly, from many half-lives on", async () => {
  const { rates: read, clock } = rates();
  for (let second = 0; second < 600; second++) {
    await clock.advance(500);
    for (let times = 0; times < 4; times++) read.add(A, 1);
    read.add(B, 0.5);
    await clock.advance(500);
  }
  expect(read.readsPerSecond(A)).toBeCloseTo(4, 1);
  expect(read.readsPerSecond(B)).toBeCloseTo(0.5, 2);
  expect(read.readsPerSecond(C)).toBe(0);
});

it("falls by half in a half-life, and begins with a read in ln 2 of one", async () => {
  const { rates: read, clock } = rates();
  await clock.advance(1e9);
  read.add(A, 1);
  expect(read.readsPerSecond(A)).toBeCloseTo(Math.LN2 / 60, 9);
  await clock.advance(HALF_LIFE_MS);
  expect(read.readsPerSecond(A)).toBeCloseTo(Math.LN2 / 120, 9);
  await clock.advance(20 * HALF_LIFE_MS);
  expect(read.readsPerSecond(A)).toBeLessThan(1e-7);
});

it("names what is read more often than so, the most read first", () => {
  const { rates: read } = rates();
  read.add(A, 1);
  read.add(B, 3);
  read.add(C, 2);
  const two = read.readsPerSecond(C);
  const named = (above: number) => read.above(above).map(({ segment }) => segment);
  expect(named(0)).toEqual([B, C, A]);
  expect(named(two)).toEqual([B]);
  expect(read.above(two)).toEqual([{ segment: B, readsPerSecond: read.readsPerSecond(B) }]);
  read.forget(B);
  expect(named(0)).toEqual([C, A]);
});

it("has room for so many segments, and a new one takes the place of the least read", async () => {
  const { rates: read, clock } = rates(2);
  read.add(A, 5);
  await clock.advance(10 * HALF_LIFE_MS);
  read.add(B, 1);
  read.add(C, 1);
  expect([read.size, read.readsPerSecond(A)]).toEqual([2, 0]);
  await clock.advance(1_000);
  read.add(C, 1);
  read.add(A, 1);
  expect([read.size, read.readsPerSecond(B)]).toEqual([2, 0]);
  expect(read.readsPerSecond(C)).toBeGreaterThan(read.readsPerSecond(A));
});

it("says that nothing is seldom read before it was watched for two half-lives", async () => {
  const { rates: read, clock } = rates();
  await clock.advance(2 * HALF_LIFE_MS - 1);
  expect(read.isWarm).toBe(false);
  await clock.advance(1);
  expect(read.isWarm).toBe(true);
});
