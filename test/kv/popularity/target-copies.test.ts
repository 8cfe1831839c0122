import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { Random } from "../../../src/clock.ts";
import type { SegmentId } from "../../../src/kv/records.ts";
import { CoolDowns } from "../../../src/kv/popularity/cool-downs.ts";
import { ReadRates } from "../../../src/kv/popularity/read-rates.ts";
import { type CopyRules, targetCopies } from "../../../src/kv/popularity/target-copies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/random.ts";

const RULES: CopyRules = { min: 1, max: 4, readsPerSecondPerCopy: 10 };

describe("the copies that there are to be", () => {
  it.each([
    [0, 1, 1],
    [10, 1, 1],
    [10.01, 1, 2],
    [20, 1, 2],
    [20.01, 1, 3],
    [1_000, 1, 4],
    [10, 2, 2],
    [5, 2, 2],
    [4.99, 2, 1],
    [10, 3, 3],
    [9.99, 3, 2],
    [4.99, 3, 1],
    [0, 4, 1],
  ])("at %d reads a second where there are %d are %d", (rate, copies, target) => {
    expect(targetCopies(rate, copies, RULES)).toBe(target);
  });

  it("are never fewer than the minimum nor more than the maximum", () => {
    const rules = { ...RULES, min: 2, max: 3 };
    expect([0, 1_000].map((rate) => targetCopies(rate, 1, rules))).toEqual([2, 3]);
    expect([0, 1_000].map((rate) => targetCopies(rate, 4, rules))).toEqual([2, 3]);
  });

  it("stay, once they are there, for as long as the rate is the same", () => {
    const rate = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(rate, fc.integer({ min: 1, max: 8 }), (readsPerSecond, copies) => {
        const target = targetCopies(readsPerSecond, copies, RULES);
        expect(targetCopies(readsPerSecond, target, RULES)).toBe(target);
      }),
    );
  });

  it("that a rate has made go only where it falls to less than half of what they need", () => {
    const rate = fc.double({ min: 10.1, max: 30, noNaN: true });
    fc.assert(
      fc.property(rate, fc.double({ min: 0.5, max: 1, noNaN: true }), (made, left) => {
        const copies = targetCopies(made, 1, RULES);
        expect(targetCopies(made * left, copies, RULES)).toBe(copies);
      }),
    );
  });
});

const COOL_DOWN_MS = 60_000;
const SEGMENT = "a.0" as SegmentId;

describe("over 10,000 seconds of a noisy rate", () => {
  /** As the replicator does it once a second: when the copies changed, and how many there were at the end. */
  async function changesOf(
    rate: (second: number) => number,
    rules: CopyRules,
    random: Random,
  ): Promise<{ changes: number[]; copies: number }> {
    const clock = new FakeClock();
    const rates = new ReadRates({ clock, halfLifeMs: 60_000 });
    const coolDowns = new CoolDowns<SegmentId>(clock, COOL_DOWN_MS);
    const changes: number[] = [];
    let copies = 1;
    for (let second = 0; second < 10_000; second++) {
      for (let reads = poisson(rate(second), random); reads > 0; reads--) rates.add(SEGMENT, 1);
      await clock.advance(1_000);
      if (coolDowns.isCooling(SEGMENT)) continue;
      const target = targetCopies(rates.readsPerSecond(SEGMENT), copies, rules);
      if (target === copies || (target < copies && !rates.isWarm)) continue;
      copies = target;
      coolDowns.begin(SEGMENT);
      changes.push(clock.now());
    }
    return { changes, copies };
  }

  it.each([1, 2, 3])(
    "around what makes a second copy, it is made once and stays (seed %d)",
    async (seed) => {
      const random = seededRandom(seed);
      const rules = { ...RULES, max: 2 };
      expect(await changesOf(() => 10, rules, random)).toMatchObject({
        copies: 2,
        changes: [expect.anything()],
      });
    },
  );

  it.each([4, 5, 6])(
    "around what keeps a second copy, it goes once and stays away (seed %d)",
    async (seed) => {
      const random = seededRandom(seed);
      const rate = (second: number) => (second < 500 ? 14 : 5);
      const { changes, copies } = await changesOf(rate, { ...RULES, max: 2 }, random);
      expect([changes.length, copies]).toEqual([2, 1]);
    },
  );

  it("that swings by half around a threshold in bursts changes nothing twice [T8]", async () => {
    const random = seededRandom(7);
    const rate = (second: number) => (second % 20 < 10 ? 5 : 15);
    const { changes, copies } = await changesOf(rate, { ...RULES, max: 2 }, random);
    expect([changes.length, copies]).toEqual([1, 2]);
  });

  it("that goes to and fro by itself changes the copies no more than once in a cool-down", async () => {
    const rate = (second: number) => (second % 400 < 200 ? 40 : 0);
    const { changes } = await changesOf(rate, RULES, seededRandom(8));
    const gaps = changes.slice(1).map((atMs, index) => atMs - (changes[index] ?? 0));
    expect(changes.length).toBeGreaterThan(50);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(COOL_DOWN_MS);
  });
});

it("a cool-down lasts as long as it is to, begins anew with each change, and leaves nothing behind", async () => {
  const clock = new FakeClock();
  const coolDowns = new CoolDowns<string>(clock, 100);
  coolDowns.begin("a");
  await clock.advance(50);
  coolDowns.begin("b");
  coolDowns.begin("a");
  await clock.advance(99);
  expect(["a", "b", "c"].map((key) => coolDowns.isCooling(key))).toEqual([true, true, false]);
  await clock.advance(1);
  expect(["a", "b"].map((key) => coolDowns.isCooling(key))).toEqual([false, false]);
  coolDowns.begin("c");
  expect(coolDowns.size).toBe(1);
});

/** Knuth: how many uniform factors it takes to come below e^-mean. */
function poisson(mean: number, random: Random): number {
  let count = -1;
  for (let product = 1; product > Math.exp(-mean); product *= random()) count++;
  return count;
}
