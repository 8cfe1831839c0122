/** What a server refused to restore is remembered for a while, the latest of it. */
import { expect, it } from "vitest";
import type { SegmentId } from "../../../src/kv/records.ts";
import {
  REFUSALS_LIMIT,
  REFUSED_FOR_MS,
  RefusedSnapshots,
} from "../../../src/kv/slots/refused-snapshots.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const idOf = (at: number) => `segment-${at}` as SegmentId;

it("is remembered from its last refusal on, for as long as that is", async () => {
  const clock = new FakeClock();
  const refused = new RefusedSnapshots(clock);
  refused.add(idOf(0));
  await clock.advance(REFUSED_FOR_MS - 1);
  expect([refused.has(idOf(0)), refused.has(idOf(1))]).toEqual([true, false]);
  refused.add(idOf(0));
  await clock.advance(REFUSED_FOR_MS - 1);
  expect(refused.has(idOf(0))).toBe(true);
  await clock.advance(1);
  expect(refused.has(idOf(0))).toBe(false);
});

it("is forgotten for what was refused later", () => {
  const refused = new RefusedSnapshots(new FakeClock());
  for (let at = 0; at < REFUSALS_LIMIT; at++) refused.add(idOf(at));
  refused.add(idOf(0));
  refused.add(idOf(REFUSALS_LIMIT));
  const known = [0, 1, 2, REFUSALS_LIMIT].map((at) => refused.has(idOf(at)));
  expect(known).toEqual([true, false, true, true]);
});
