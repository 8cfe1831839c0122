import { afterEach, describe, expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { tokenChain } from "../../../src/kv/chain/chain-format.ts";
import { SequenceChain } from "../../../src/kv/turns/token-sequence.ts";
import { appendUnhurried, IDS_AT_ONCE, SLICE_MS } from "../../../src/kv/turns/unhurried.ts";
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

/** On which hashing as many ids takes `ms`, and which counts what rests. */
function clockOf(ms: number) {
  let nowMs = 0;
  const clock = {
    rests: 0,
    now: () => (nowMs += ms),
    after: (_delayMs: number, task: () => void) => {
      clock.rests++;
      setImmediate(task);
      return () => undefined;
    },
  };
  return clock;
}

it.each([
  [1, 9, 0],
  [IDS_AT_ONCE, 9, 0],
  [IDS_AT_ONCE + 1, 9, 1],
  [3 * IDS_AT_ONCE - 7, 9, 2],
  [3 * IDS_AT_ONCE - 7, SLICE_MS / 2, 1],
  [9 * IDS_AT_ONCE, SLICE_MS / 10, 0],
])("makes the same chain of %i ids at %d ms a look, with %i rests", async (length, ms, rests) => {
  const [atOnce, slowly] = [newChain(), newChain()];
  atOnce.append(idsOf(length));
  const clock = clockOf(ms);
  await appendUnhurried(slowly, idsOf(length), clock);
  expect(clock.rests).toBe(rests);
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
    const whole = tokens("x".repeat(3 * IDS_AT_ONCE));
    const get = (ids: ArrayLike<number>, at: string | symbol): unknown => {
      if (at === "0" || at === String(IDS_AT_ONCE)) void clock.advance(SLICE_MS);
      return Reflect.get(ids, at);
    };
    const prompt = { ...whole, ids: new Proxy(whole.ids, { get }) };
    const explained = desk
      .explain({ session: session("a"), prompt })
      .finally(() => (isDone = true));
    let rests = 0;
    while (!isDone) {
      rests += clock.pendingTimers;
      await clock.advance(SLICE_MS);
    }
    expect(rests).toBeGreaterThan(0);
    expect(await explained).toMatchObject({ promptTokens: 3 * IDS_AT_ONCE });
  });
});
