/** Engines that die after they have answered, at each eighth of what they were to write. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { KvEngine } from "../support/kv-engine.ts";
import { bytesOf, spanOf, storeWith, written } from "../support/kv-service.ts";
import { ServiceTurns, tokensOf } from "./service-turns.ts";

const PROMPT = tokensOf(200);
const OUTPUT = tokensOf(60, 2);

const ONE_PART = "{ turnMs: 60000, waitMs: 0, cutAtPrompt: false }";
const VERIFY = "{ quietMs: 20, settleMaxMs: 200, probeTimeoutMs: 100 }";

describe("an engine that dies", { timeout: 30_000 }, () => {
  let turns: ServiceTurns;
  beforeAll(async () => {
    turns = await ServiceTurns.open({ sections: { turns: ONE_PART, verify: VERIFY } });
  });
  afterAll(() => turns.close());

  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    "after %i eighths of its write has stored nothing that is listed [a]",
    async (diesAfterEighths) => {
      const { service } = turns;
      const prompt = [diesAfterEighths + 1, ...PROMPT];
      const session = `eighth-${diesAfterEighths}`;
      await turns.create(session);
      const before = await service.metric("kv_verifications_total", { result: "zero_block" });
      const turn = { session, prompt, output: OUTPUT, diesAfterEighths };
      const { listed, dropped, plan, write } = await turns.turn(turn);
      expect(await write.ended).toBe(false);
      turns.engine = new KvEngine();

      expect(listed).toEqual([]);
      expect(dropped).toEqual([{ segment: `${plan.turn}.0`, reason: "unverified" }]);
      const after = await service.metric("kv_verifications_total", { result: "zero_block" });
      expect(after - before).toBe(1);
      const next = await turns.plan(session, [...prompt, ...OUTPUT, 1]);
      expect(next.stored_tokens).toBe(0);
      expect(next.fresh_kv_cache[0]?.kv_uri).not.toBe(plan.fresh_kv_cache[0]?.kv_uri);
    },
  );

  it("and is another process at the commit has stored nothing, however whole it looks [a]", async () => {
    const { service, engine } = turns;
    await turns.create("restarted");
    const plan = await turns.plan("restarted", PROMPT, OUTPUT.length);
    const tokens = [...PROMPT, ...OUTPUT];
    const parts = written(plan, tokens);
    expect(await storeWith(engine, { service, tokens, parts }).ended).toBe(true);
    await engine.kill();
    turns.engine = new KvEngine();
    const { data } = await turns.commit(plan, { prompt: PROMPT, output: OUTPUT, parts });
    const reason = "engine_restarted";
    expect(data?.dropped).toEqual([{ segment: `${plan.turn}.0`, reason }]);
    expect(await service.metric("kv_verifications_total", { result: reason })).toBe(1);
    expect(await turns.plan("restarted", [...tokens, 1])).toMatchObject({ stored_tokens: 0 });
  });
});

it("keeps the part that an engine had written when it died in the next one [a] [p]", async () => {
  const turns = await ServiceTurns.open({ sections: { verify: VERIFY } });
  await turns.create("a");
  const turn = { session: "a", prompt: PROMPT, output: OUTPUT, diesAfterEighths: 7 };
  const { listed, dropped, parts } = await turns.turn(turn);
  expect(listed.map(spanOf)).toEqual([{ start: 0, length: 192 }]);
  expect(dropped).toHaveLength(1);
  turns.engine = new KvEngine();
  const { stored_kv_cache: stored } = await turns.plan("a", [...PROMPT, ...OUTPUT, 1]);
  expect(stored).toEqual(parts.slice(0, 1));
  for (const placed of stored) {
    expect((await turns.service.bytesAt(placed)).equals(bytesOf(PROMPT, placed))).toBe(true);
  }
  await turns.close();
}, 30_000);
