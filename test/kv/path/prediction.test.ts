/** What the path shows its predictor of turns, and what it tells of predictions. */
import { afterEach, describe, expect, it } from "vitest";

import { NEEDED_TURNS, Predictor } from "../../../src/kv/prediction/predictor.ts";
import type { AnswerHead } from "../../../src/kv/path/turn-path.ts";
import { ENGINE_A, ENGINE_B, generate, PathBench, SERVED } from "../../support/path-bench.ts";
import { session } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

const EVENTS: AnswerHead = { ...SERVED, contentType: "text/event-stream" };

async function open(predictor = new Predictor()): Promise<PathBench> {
  return new PathBench(await benches.open(), { predictor });
}

interface Answered {
  readonly prompt?: string;
  /** Of what the engine counts. */
  readonly [name: string]: unknown;
}

/** Its first byte comes after 100 ms, and its end 50 ms later. */
async function answered(
  path: PathBench,
  head: AnswerHead,
  { prompt = "one ", ...changes }: Answered = {},
): Promise<void> {
  const begun = await path.begin(generate(prompt));
  const json = await path.answerTo(begun, "two ", changes);
  const isStreamed = head.contentType === EVENTS.contentType;
  const answer = isStreamed ? Buffer.from(`data: ${json.toString()}\n\ndata: [DONE]\n\n`) : json;
  await path.bench.clock.advance(60);
  const filter = begun.turn.answer(head);
  filter?.push(new Uint8Array(0), false);
  await path.bench.clock.advance(40);
  filter?.push(answer.subarray(0, 5), false);
  await path.bench.clock.advance(50);
  filter?.push(answer.subarray(5), true);
  await path.ended();
}

describe("a turn", () => {
  it("is timed from its release to its first byte and to its end where it was streamed", async () => {
    const path = await open();
    await answered(path, EVENTS);
    expect(path.measured).toEqual([
      {
        pool: "p",
        session: session("a"),
        turn: {
          promptTokens: 4,
          storedTokens: 0,
          residentTokens: 0,
          maxNewTokens: 4,
          cachedTokens: 0,
          outputTokens: 4,
          ttftMs: 100,
          totalMs: 150,
        },
        prediction: { cachedTokens: 0, outputTokens: 4, times: undefined },
        errors: {
          cachedTokens: 0,
          outputTokens: 0,
          loadMs: undefined,
          prefillMs: undefined,
          ttftMs: undefined,
          totalMs: undefined,
        },
      },
    ]);
  });

  it("is timed to its end alone where it was not", async () => {
    const path = await open();
    await answered(path, SERVED);
    expect(path.measured.map(({ turn }) => [turn.ttftMs, turn.totalMs])).toEqual([
      [undefined, 150],
    ]);
  });

  it("is predicted from those before, when it is released", async () => {
    const path = await open();
    for (let turn = 0; turn < NEEDED_TURNS; turn++) await answered(path, EVENTS);
    await answered(path, EVENTS, { completion_tokens: 2 });
    const { prediction, errors } = path.measured.at(-1) ?? {};
    // What was stored by the first is loaded by the others, which take as long.
    expect(prediction?.times?.ttftMs).toBeCloseTo(100, 1);
    expect(prediction?.times?.totalMs).toBeCloseTo(150, 1);
    expect(errors).toMatchObject({ outputTokens: 1, totalMs: expect.closeTo(0, 3) });
  });

  it("is predicted with what its engine may have kept of the turn before", async () => {
    const path = await open();
    await answered(path, EVENTS);
    await answered(path, EVENTS, { prompt: "one two three " });
    path.engines.states.set(ENGINE_A.address, { kind: "ready", instance: "another process" });
    await answered(path, EVENTS, { prompt: "one two three " });
    // The last token of an answer is not computed.
    expect(path.measured.map(({ turn }) => turn.residentTokens)).toEqual([0, 7, 0]);
  });

  it.each([
    ["is not served by its engine alone", { ...EVENTS, attempts: 2 }, {}],
    ["is served elsewhere", { ...EVENTS, servedBy: ENGINE_B.address }, {}],
    ["has failed", { ...EVENTS, status: 500 }, {}],
    ["does not say what was cached", EVENTS, { cached_tokens: null }],
    ["does not say how long its answer is", EVENTS, { completion_tokens: null }],
    ["counts other tokens of its prompt", EVENTS, { prompt_tokens: 5 }],
    ["claims what cannot be", EVENTS, { cached_tokens: 5 }],
  ])("teaches nothing where it %s", async (_, head, changes) => {
    const predictor = new Predictor();
    const path = await open(predictor);
    await answered(path, head, changes);
    expect(path.measured).toEqual([]);
    const unlimited = { promptTokens: 4, storedTokens: 0, maxNewTokens: undefined };
    expect(predictor.predict(unlimited).outputTokens).toBeUndefined();
  });

  it("teaches nothing where it was cut short", async () => {
    const path = await open();
    const begun = await path.begin(generate("one "));
    begun.turn.answer(EVENTS)?.push(Buffer.from("data: {}\n\n"), false);
    begun.turn.abandon();
    await path.ended();
    expect(path.measured).toEqual([]);
  });
});
