/** Files that are torn, changed, cut or gone: the turn is answered without what they held, and a metric says why. */
import { open, readFile, truncate, unlink, utimes } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { bytesOf, type Plan, TOKEN_BYTES, written } from "../support/kv-service.ts";
import { ServiceTurns, tokensOf } from "./service-turns.ts";

const TOKENS = 256;
const BLOCK = 4096;
const BYTES = TOKENS * TOKEN_BYTES;

/** A prompt of its own for each test, so that no session finds what another has stored. */
let made = 0;
function promptOfTest(): { readonly session: string; readonly prompt: number[] } {
  made += 1;
  return { session: `s${made}`, prompt: tokensOf(TOKENS, made * 13) };
}

describe.each([
  { listing: "changed", whileOpen: "end_of_stored" },
  { listing: "always", whileOpen: "file_damaged" },
])("with `verify.listing: $listing`", { timeout: 30_000 }, ({ listing, whileOpen }) => {
  let turns: ServiceTurns;
  beforeAll(async () => {
    const verify = `{ quietMs: 20, settleMaxMs: 200, probeTimeoutMs: 100, listing: ${listing} }`;
    turns = await ServiceTurns.open({ sections: { verify } });
  });
  afterAll(() => turns.close());

  /** A session with one durable segment of 256 tokens, 128 KiB. */
  async function stored() {
    const { session, prompt } = promptOfTest();
    await turns.create(session);
    const { listed, parts } = await turns.turn({ session, prompt, output: [] });
    expect(listed).toHaveLength(1);
    const [placed] = parts;
    if (placed === undefined) throw new Error("nothing was stored");
    return { session, prompt, placed, path: turns.service.pathOf(placed.kv_uri) };
  }

  /** The next turn is answered, with nothing to load and a file of its own to store in, for this reason. */
  async function expectUnused(session: string, prompt: readonly number[], limit: string) {
    const before = await turns.service.metric("kv_plans_total", { limit });
    const plan = await turns.plan(session, [...prompt, 1]);
    expect(plan).toMatchObject({ stored_tokens: 0, stored_kv_cache: [], limit });
    expect(plan.fresh_kv_cache).toMatchObject([{ token_start: 0 }]);
    expect(await turns.service.metric("kv_plans_total", { limit })).toBe(before + 1);
  }

  it("lists no segment of which a tail was never written, cut at whichever 4 KiB of it", async () => {
    const { service } = turns;
    const cuts = Array.from({ length: BYTES / BLOCK }, (_, at) => (at + 1) * BLOCK);
    const zeros = await service.metric("kv_verifications_total", { result: "zero_block" });
    await Promise.all(cuts.map(async (cut) => expectTorn(cut)));
    const after = await service.metric("kv_verifications_total", { result: "zero_block" });
    expect(after - zeros).toBe(cuts.length);
  });

  async function expectTorn(cut: number): Promise<void> {
    const { session, prompt } = promptOfTest();
    await turns.create(session);
    const plan = await turns.plan(session, prompt);
    const parts = written(plan, prompt);
    await writeTorn(plan, prompt, cut);
    const { data } = await turns.commit(plan, { prompt, output: [], parts });
    expect(data, `cut ${cut}`).toMatchObject({ listed: [], dropped: [{ reason: "unverified" }] });
    expect(await turns.plan(session, [...prompt, 1]), `cut ${cut}`).toMatchObject({
      stored_tokens: 0,
    });
  }

  async function writeTorn(plan: Plan, prompt: readonly number[], cut: number): Promise<void> {
    const [placed] = plan.fresh_kv_cache;
    if (placed === undefined) throw new Error("nothing was reserved");
    const bytes = bytesOf(prompt, placed);
    const file = await open(turns.service.pathOf(placed.kv_uri), "r+");
    await file.write(bytes, 0, bytes.length - cut, placed.kv_start);
    await file.close();
  }

  it("drops a durable segment of which a tail was lost, cut at whichever 4 KiB of it", async () => {
    const cuts = Array.from({ length: BYTES / BLOCK }, (_, at) => (at + 1) * BLOCK);
    for (const cut of cuts.filter((_, at) => at % 4 === 0)) {
      const { session, prompt, placed, path } = await stored();
      await overwrite(path, Buffer.alloc(cut), placed.kv_start + BYTES - cut);
      await expectUnused(session, prompt, "file_damaged");
    }
    const damaged = await turns.service.metric("kv_rechecks_total", { result: "crc" });
    expect(damaged).toBeGreaterThanOrEqual(cuts.length / 4);
  });

  it.each([0, BYTES / 2 + 1, BYTES - 1])("drops one with a bit flipped in byte %i", async (at) => {
    const { session, prompt, placed, path } = await stored();
    const found = await turns.service.metric("kv_rechecks_total", { result: "crc" });
    await flipBit(path, placed.kv_start + at);
    await expectUnused(session, prompt, "file_damaged");
    expect(await turns.service.metric("kv_rechecks_total", { result: "crc" })).toBe(found + 1);
  });

  it("drops one whose file was cut short", async () => {
    const { session, prompt, path } = await stored();
    await truncate(path, BYTES - 1);
    await expectUnused(session, prompt, "file_damaged");
    expect(await turns.service.metric("kv_rechecks_total", { result: "truncated" })).toBe(1);
  });

  it("drops one whose file is gone", async () => {
    const { session, prompt, path } = await stored();
    await unlink(path);
    await expectUnused(session, prompt, "file_missing");
  });

  it("keeps one whose file was touched and is whole", async () => {
    const { session, prompt, path, placed } = await stored();
    await utimes(path, 1, 1);
    const plan = await turns.plan(session, [...prompt, 1]);
    expect(plan.stored_kv_cache).toEqual([placed]);
    expect((await turns.service.bytesAt(placed)).equals(bytesOf(prompt, placed))).toBe(true);
  });

  // A file changes by right while a reservation is open in it, so its times say nothing then.
  it(`answers ${whileOpen} after a flipped bit while a reservation is open in the file, and drops it later`, async () => {
    const { session, prompt, placed, path } = await stored();
    const reserved = await turns.plan(session, [...prompt, 1], 64);
    expect(reserved.fresh_kv_cache[0]?.kv_uri).toBe(placed.kv_uri);
    const fork = await turns.fork(session);
    await flipBit(path, placed.kv_start + 7);
    expect((await turns.plan(fork, [...prompt, 1])).limit).toBe(whileOpen);
    await turns.abort(reserved);
    expect((await turns.plan(fork, [...prompt, 1])).stored_tokens).toBe(0);
    expect(await turns.service.metric("kv_plans_total", { limit: "file_damaged" })).toBeGreaterThan(
      0,
    );
  });
});

async function overwrite(path: string, bytes: Uint8Array, at: number): Promise<void> {
  const file = await open(path, "r+");
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

async function flipBit(path: string, at: number): Promise<void> {
  const byte = (await readFile(path)).subarray(at, at + 1);
  await overwrite(path, Buffer.from([(byte[0] ?? 0) ^ 1]), at);
}
