/** Eight turns at a time in each of many sessions over HTTP, with an engine that writes: all that is listed has its own bytes. */
import { afterEach, describe, expect, it } from "vitest";

import { KvLedger } from "../support/kv-ledger.ts";
import { bytesOf, type Plan, storeWith, written } from "../support/kv-service.ts";
import { ServiceTurns, tokensOf } from "./service-turns.ts";

const SESSIONS = 32;
const TURNS = 8;
const NAMES = Array.from({ length: SESSIONS }, (_, at) => `s${at}`);

function baseOf(session: number): number[] {
  return tokensOf(64, 101 + session);
}

function promptOfTurn(session: number, turn: number): number[] {
  return [...baseOf(session), ...tokensOf(48, 1_001 + session * TURNS + turn)];
}

describe("eight turns at a time over HTTP", { timeout: 120_000 }, () => {
  let turns: ServiceTurns;
  afterEach(() => turns.close());

  async function open(whenBusy: "wait" | "branch"): Promise<void> {
    const policy = `{ turnMs: 60000, settleMs: 60000, waitMs: 60000, whenBusy: ${whenBusy} }`;
    const verify = "{ quietMs: 20, settleMaxMs: 20000, probeTimeoutMs: 100 }";
    turns = await ServiceTurns.open({ sections: { turns: policy, verify } });
    await Promise.all(NAMES.map((name) => turns.create(name)));
    const bases = NAMES.map((session, at) =>
      turns.turn({ session, prompt: baseOf(at), output: [] }),
    );
    for (const { listed } of await Promise.all(bases)) expect(listed).toHaveLength(1);
  }

  /** Written by the engine and committed, without waiting until it is listed. */
  async function finish(plan: Plan, prompt: readonly number[]): Promise<void> {
    const { service, engine } = turns;
    const parts = written(plan, prompt);
    await storeWith(engine, { service, tokens: prompt, parts }).answered;
    const { data } = await turns.commit(plan, { prompt, output: [], parts });
    expect(data).toMatchObject({ listed: [{ token_start: 64, token_length: 48 }], dropped: [] });
  }

  interface OpenTurn {
    readonly session: string;
    readonly prompt: readonly number[];
  }

  /** Of all sessions, in no order. */
  const OPEN_TURNS: readonly OpenTurn[] = NAMES.flatMap((session, at) =>
    Array.from({ length: TURNS }, (_, turn) => ({ session, prompt: promptOfTurn(at, turn) })),
  );

  async function planned({ session, prompt }: OpenTurn, ledger: KvLedger): Promise<Plan> {
    const plan = await turns.plan(session, prompt);
    ledger.planned({ tenant: "", session, plan, prompt, output: [] });
    return plan;
  }

  /** No byte is handed out twice, no session was made for a turn, and everything is listed with its own bytes. */
  async function expectSound(plans: readonly Plan[], { problems }: KvLedger, files: number) {
    const uris = plans.flatMap(({ fresh_kv_cache: parts }) => parts.map(({ kv_uri }) => kv_uri));
    expect(uris).toHaveLength(OPEN_TURNS.length);
    expect(new Set(uris).size).toBe(files);
    expect(problems).toEqual([]);
    const { data } = await turns.service.client().GET("/v1/usage");
    expect(data).toMatchObject({ sessions: SESSIONS });
    await expectBytes();
  }

  it("lets each wait for the one before it, and all go on in the session's file [e]", async () => {
    await open("wait");
    const ledger = new KvLedger();
    const all = OPEN_TURNS.map(async (turn) => {
      const plan = await planned(turn, ledger);
      await finish(plan, turn.prompt);
      return plan;
    });
    await expectSound(await Promise.all(all), ledger, SESSIONS);
  });

  it("gives each but the first a file of its own where turns branch [e]", async () => {
    await open("branch");
    const ledger = new KvLedger();
    const plans = await Promise.all(OPEN_TURNS.map((turn) => planned(turn, ledger)));
    await Promise.all(
      OPEN_TURNS.map(async ({ prompt }, at) => {
        const plan = plans[at];
        if (plan !== undefined) await finish(plan, prompt);
      }),
    );
    await expectSound(plans, ledger, OPEN_TURNS.length);
  });

  async function expectBytes(): Promise<void> {
    for (const [at, session] of NAMES.entries()) {
      for (let turn = 0; turn < TURNS; turn++) {
        const prompt = promptOfTurn(at, turn);
        const plan = await turns.plan(session, [...prompt, 1]);
        expect(plan.stored_tokens).toBe(112);
        for (const placed of plan.stored_kv_cache) {
          const bytes = await turns.service.bytesAt(placed);
          expect(bytes.equals(bytesOf(prompt, placed)), JSON.stringify(placed)).toBe(true);
        }
      }
    }
  }
});
