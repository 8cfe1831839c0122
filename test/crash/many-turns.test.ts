/**
 * A thousand sessions with eight turns at a time each, all at once, over LMDB and a directory: the second of a session waits for the
 * first, or goes on in a branch, and neither makes a session or gives a byte range to two.
 */
import { afterEach, describe, expect, it } from "vitest";

import type { TurnPolicy } from "../../src/kv/turns/turn-desk.ts";
import type { PlannedSegment } from "../../src/kv/turns/turn-plan.ts";
import { Benches, CATALOGS } from "../kv/turns/catalogs.ts";
import { SMALL_TOKEN_BYTES } from "../support/small-model.ts";
import { freshOf, session, spans, tokens, type TurnBench } from "../support/turn-bench.ts";

const SESSIONS = 1_000;
const TURNS = 8;
const BASE = "one two ";
const NAMES = Array.from({ length: SESSIONS }, (_, at) => `s${at}`);
/** Of eight turns of one session, all of one length and no two alike. */
const PROMPTS = Array.from({ length: TURNS }, (_, at) => `${BASE}turn ${at}`);
const PROMPT_TOKENS = BASE.length + 6;

const ALL = SESSIONS * TURNS;
const LARGE: Partial<TurnPolicy> = { waitingLimit: ALL, settlingLimit: ALL };

const [, LMDB] = CATALOGS;

describe("eight turns at a time in each of 1,000 sessions", { timeout: 240_000 }, () => {
  const benches = new Benches(LMDB);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** With all sessions, of which each lists 8 tokens of its own. */
  async function open(policy: Partial<TurnPolicy>): Promise<TurnBench> {
    const bench = await benches.open({ policy: { ...LARGE, ...policy }, fileNames: "random" });
    await Promise.all(NAMES.map((name) => bench.create(name)));
    await Promise.all(NAMES.map(async (name) => storeBase(bench, name)));
    await bench.desk.settled();
    return bench;
  }

  async function storeBase(bench: TurnBench, name: string): Promise<void> {
    const plan = await bench.plan(name, BASE, { maxNewTokens: 0, ...salted(name, BASE) });
    await bench.commit(plan, [BASE, ""], salted(name, BASE));
  }

  /** Salted, so that no two sessions have a prompt in common, and nothing is found that another stored. */
  function salted(name: string, text: string) {
    return { prompt: { ...tokens(text), context: { cacheSalt: name } } };
  }

  function planOf(bench: TurnBench, name: string, prompt: string) {
    return bench.plan(name, prompt, { maxNewTokens: 0, ...salted(name, prompt) });
  }

  async function sessionCount({ catalog }: TurnBench): Promise<number> {
    const page = { tenant: "", after: undefined, limit: 10 * SESSIONS };
    return (await catalog.sessions(page)).length;
  }

  it("lets each wait for the one before it, and all store one after the other in one file [e]", async () => {
    const bench = await open({ whenBusy: "wait" });
    const turn = async (name: string, prompt: string) => {
      const plan = await planOf(bench, name, prompt);
      await bench.commit(plan, [prompt, ""], salted(name, prompt));
      return freshOf(plan);
    };
    const turns = NAMES.map((name) => Promise.all(PROMPTS.map((prompt) => turn(name, prompt))));
    const parts = (await Promise.all(turns)).map((each) => each.flat());
    await bench.desk.settled();

    for (const each of parts) expect(new Set(each.map(({ kvUri }) => kvUri)).size).toBe(1);
    expectNoRangeTwice(parts.flat());
    expect(await sessionCount(bench)).toBe(SESSIONS);
    expect(bench.clock.pendingTimers).toBe(0);
    await expectAllListed(bench);
  });

  it("makes each further one a branch of the same session in a file of its own, which is no session [e]", async () => {
    const bench = await open({ whenBusy: "branch" });
    const plans = await Promise.all(
      NAMES.map(async (name) => Promise.all(PROMPTS.map((prompt) => planOf(bench, name, prompt)))),
    );
    for (const each of plans) {
      const files = new Set(each.flatMap(freshOf).map(({ kvUri }) => kvUri));
      expect(files.size).toBe(TURNS);
      for (const plan of each) expect(spans(plan.stored)).toEqual([[0, BASE.length]]);
    }
    expectNoRangeTwice(plans.flat().flatMap(freshOf));
    expect(await bench.catalog.session(session("s0"))).toMatchObject({ segments: 1 });
    expect((await bench.catalog.session(session("s0")))?.turns).toHaveLength(TURNS);

    // A fork in the middle of it has what is durable, and none of the turns.
    const forks = NAMES.slice(0, 100);
    await Promise.all(
      forks.map(async (name) => bench.sessions.fork(session(name), `${name}-fork`)),
    );
    const commits = NAMES.map(async (name, at) =>
      Promise.all(
        (plans[at] ?? []).map(async (plan, turn) => {
          const prompt = PROMPTS[turn] ?? "";
          return bench.commit(plan, [prompt, ""], salted(name, prompt));
        }),
      ),
    );
    await Promise.all(commits);
    await bench.desk.settled();

    for (const name of forks) {
      const fork = session(`${name}-fork`);
      expect(await bench.catalog.session(fork)).toMatchObject({ segments: 1, turns: [] });
      expect(await bench.catalog.segments(fork)).toMatchObject([{ tokenLength: BASE.length }]);
    }
    expect(await sessionCount(bench)).toBe(SESSIONS + forks.length);
    await expectAllListed(bench);
  });

  /** The base and eight turns, of each session. */
  async function expectAllListed(bench: TurnBench): Promise<void> {
    for (const name of NAMES) {
      const listed = await bench.catalog.segments(session(name));
      expect(listed.map(({ tokenStart, tokenLength }) => tokenStart + tokenLength)).toEqual([
        BASE.length,
        ...PROMPTS.map(() => PROMPT_TOKENS),
      ]);
    }
  }
});

function expectNoRangeTwice(parts: readonly PlannedSegment[]): void {
  const byPlace = parts.toSorted((a, b) =>
    a.kvUri < b.kvUri ? -1 : a.kvUri > b.kvUri ? 1 : a.kvStart - b.kvStart,
  );
  const twice = byPlace.filter((part, at) => {
    const before = byPlace[at - 1];
    if (before?.kvUri !== part.kvUri) return false;
    return before.kvStart + before.tokenLength * SMALL_TOKEN_BYTES > part.kvStart;
  });
  expect(twice).toEqual([]);
}
