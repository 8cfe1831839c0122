import { afterEach, describe, expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { tokenChain } from "../../../src/kv/chain/chain-format.ts";
import { SequenceChain } from "../../../src/kv/turns/token-sequence.ts";
import { appendUnhurried, IDS_AT_ONCE } from "../../../src/kv/turns/unhurried.ts";
import { session, tokens } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

const START = { kind: "engine", context: {}, grid: [] } as const;
const digests = createDigests();

function idsOf(length: number): number[] {
  return Array.from({ length }, (_, at) => (at * 7_919) % 50_000);
}

function newChain(): SequenceChain {
  return new SequenceChain(START, tokenChain(1), digests);
}

it.each([
  [1, 0],
  [IDS_AT_ONCE, 0],
  [IDS_AT_ONCE + 1, 1],
  [3 * IDS_AT_ONCE - 7, 2],
])("makes the same chain of %i ids, with %i rests between", async (length, expected) => {
  const [atOnce, slowly] = [newChain(), newChain()];
  atOnce.append(idsOf(length));
  let rests = 0;
  let longest = 0;
  let known = 0;
  await appendUnhurried(slowly, idsOf(length), async () => {
    rests++;
    longest = Math.max(longest, slowly.length - known);
    known = slowly.length;
  });
  expect(rests).toBe(expected);
  expect(Math.max(longest, slowly.length - known)).toBeLessThanOrEqual(IDS_AT_ONCE);
  expect(slowly.length).toBe(length);
  expect(slowly.endAt(length)).toEqual(atOnce.endAt(length));
});

describe("a desk", () => {
  const benches = new Benches(CATALOGS[0]);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  it("leaves the event loop to others while it hashes a long prompt", async () => {
    const bench = await benches.open();
    const { clock, desk } = bench;
    await bench.create("a");
    let isDone = false;
    const prompt = tokens("x".repeat(3 * IDS_AT_ONCE));
    const explained = desk
      .explain({ session: session("a"), prompt })
      .finally(() => (isDone = true));
    let rests = 0;
    while (!isDone) {
      rests += clock.pendingTimers;
      await clock.advance(0);
    }
    expect(rests).toBeGreaterThan(0);
    expect(await explained).toMatchObject({ promptTokens: 3 * IDS_AT_ONCE });
  });
});
