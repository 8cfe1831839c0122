/** An engine that writes when its turn is long over: not a byte that anybody lists changes by it, and nobody is made to wait. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import {
  bytesOf,
  type Placed,
  type Plan,
  storeWith,
  TOKEN_BYTES,
  written,
} from "../support/kv-service.ts";
import { until } from "../support/until.ts";
import { ServiceTurns, tokensOf } from "./service-turns.ts";

/** A turn is over after four seconds, at the latest; an engine is waited for a quarter of one. */
const SECTIONS = {
  turns: "{ turnMs: 4000, settleMs: 4000, waitMs: 0 }",
  verify: "{ quietMs: 20, settleMaxMs: 250, probeTimeoutMs: 100 }",
};
const FIRST = tokensOf(96);
const LATE = [...FIRST, ...tokensOf(80, 2)];
const NEXT = [...FIRST, ...tokensOf(64, 3)];

let turns: ServiceTurns;
beforeEach(async () => {
  turns = await ServiceTurns.open({ sections: SECTIONS });
  await turns.create("a");
  await turns.turn({ session: "a", prompt: FIRST, output: [] });
});
afterEach(() => turns.close());

/** A turn of the session, in the file that has its first segment, and an engine that has answered and not written a byte. */
async function answered() {
  const plan = await turns.plan("a", LATE);
  const parts = written(plan, LATE);
  expect(plan).toMatchObject({
    stored_tokens: 96,
    fresh_kv_cache: [{ kv_start: 96 * TOKEN_BYTES }],
  });
  return { plan, parts };
}

function writesNow(parts: readonly Placed[]): Promise<boolean> {
  return storeWith(turns.engine, { service: turns.service, tokens: LATE, parts }).ended;
}

async function expectWhole({ stored_kv_cache: stored }: Plan, tokens: readonly number[]) {
  for (const placed of stored) {
    const bytes = await turns.service.bytesAt(placed);
    expect(bytes.equals(bytesOf(tokens, placed)), JSON.stringify(placed)).toBe(true);
  }
}

/** The session goes on elsewhere, the engine writes at last, and everything that was listed before still is, byte for byte. */
async function expectNothingChangedBy(parts: readonly Placed[]): Promise<void> {
  const { listed, plan } = await turns.turn({ session: "a", prompt: NEXT, output: [] });
  expect(listed).toMatchObject([{ token_start: 96, token_length: 64 }]);
  expect(plan.fresh_kv_cache[0]?.kv_uri).not.toBe(parts[0]?.kv_uri);
  const before = await turns.plan("a", [...NEXT, 1]);
  expect(before.stored_tokens).toBe(160);
  expect(await writesNow(parts)).toBe(true);
  const after = await turns.plan("a", [...NEXT, 1]);
  expect(after.stored_kv_cache).toEqual(before.stored_kv_cache);
  await expectWhole(after, NEXT);
}

describe("an engine that writes late", { timeout: 30_000 }, () => {
  it("after an abort changes nothing that is listed [a]", async () => {
    const { plan, parts } = await answered();
    await turns.abort(plan);
    await expectNothingChangedBy(parts);
    expect(await turns.service.metric("kv_aborts_total", { reason: "client_gone" })).toBe(1);
  });

  it("after a commit that waited for it in vain changes nothing that is listed [a]", async () => {
    const { plan, parts } = await answered();
    const { data } = await turns.commit(plan, { prompt: LATE, output: [], parts });
    expect(data).toMatchObject({ listed: [], dropped: [{ reason: "unverified" }] });
    await expectNothingChangedBy(parts);
    expect(await turns.service.metric("kv_verifications_total", { result: "zero_block" })).toBe(1);
  });

  it("after the deadline of its turn changes nothing that is listed [a]", async () => {
    const { plan, parts } = await answered();
    await until(() => Date.now() > plan.deadline_ms);
    const { error } = await turns.commit(plan, { prompt: LATE, output: [], parts });
    expect(error).toMatchObject({ status: 409, code: "turn_over" });
    await expectNothingChangedBy(parts);
    // Whichever met it first, the commit or the sweep; both, where the sweep came in the midst of the commit.
    const { service } = turns;
    const met = await service.metric("kv_commits_total", { result: "unknown_turn" });
    const swept = await service.metric("kv_swept_total", { what: "turn" });
    expect([1, 2]).toContain(met + swept);
  });

  it("in a file that a fork lists changes nothing of the fork's [a]", async () => {
    const { plan, parts } = await answered();
    const fork = await turns.fork("a");
    await turns.abort(plan);
    const before = await turns.plan(fork, [...FIRST, 1]);
    expect(before.stored_kv_cache).toMatchObject([{ kv_uri: parts[0]?.kv_uri, token_length: 96 }]);
    await expectNothingChangedBy(parts);
    const after = await turns.plan(fork, [...FIRST, 1]);
    expect(after.stored_kv_cache).toEqual(before.stored_kv_cache);
    await expectWhole(after, FIRST);
  });

  it("between two planes, for longer than it is waited for, is not listed, nor its end [a]", async () => {
    const stallMs = 150;
    const { listed, dropped, plan, write } = await turns.turn({
      session: "a",
      prompt: LATE,
      output: [],
      stallMs,
    });
    expect({ listed, dropped }).toMatchObject({ listed: [], dropped: [{ reason: "unverified" }] });
    expect(await write.ended).toBe(true);
    const next = await turns.plan("a", [...LATE, 1]);
    expect(next.stored_tokens).toBe(96);
    expect(next.fresh_kv_cache[0]?.kv_uri).not.toBe(plan.fresh_kv_cache[0]?.kv_uri);
    await expectWhole(next, FIRST);
  });
});
