/** The test of an engine's tokenizer, before the engine is ready. */
import { beforeEach, describe, expect, it } from "vitest";
import { EngineWatch } from "../../../src/kv/engines/engine-watch.ts";
import {
  ANSWER_TIMEOUT_MS,
  ASK_INTERVAL_MS,
  QUESTIONS_PER_INTRODUCTION,
} from "../../../src/kv/engines/process-watch.ts";
import { TokenizerTest } from "../../../src/kv/engines/tokenizer-test.ts";
import type { TokenizerProbe } from "../../../src/kv/tokens/tokenizer-probes.ts";
import type { EngineState } from "../../../src/kv/path/engine-directory.ts";
import { PROFILE } from "../../support/engine-info.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { fakeEngineConnections } from "../../support/fake-engine-connections.ts";

const PROBES = [
  { name: "one", request: '{"prompt":"a"}', ids: Uint32Array.of(1, 2, 3) },
  { name: "two", request: '{"messages":[]}', ids: Uint32Array.of(4) },
];
const WITH_TOOLS = { name: "tools", request: "{}", ids: Uint32Array.of(5, 6), isOfTools: true };
const ONE = tokens(1, 2, 3);
const TWO = tokens(4);

function tokens(...ids: number[]) {
  return { status: 200, text: JSON.stringify({ tokens: ids, count: ids.length }) };
}

describe("a test", () => {
  it("asks each probe, and is passed where all ids are equal", () => {
    const test = new TokenizerTest(PROBES);
    expect(test.question).toBe(PROBES[0]?.request);
    expect(test.answered(ONE)).toBeUndefined();
    expect(test.question).toBe(PROBES[1]?.request);
    expect(test.answered(TWO)).toEqual({ result: "passed", why: undefined });
  });

  it.each([
    ["another id", tokens(1, 9, 3), "probe 0 (one) at token 1: 9, not 2"],
    ["fewer", tokens(1, 2), "probe 0 (one) at token 2: its end, not 3"],
    ["none", tokens(), "probe 0 (one) at token 0: its end, not 1"],
    ["more", tokens(1, 2, 3, 4), "probe 0 (one) at token 3: 4, not its end"],
  ])("is over with the first text of which the engine makes %s", (_, answer, why) => {
    const test = new TokenizerTest(PROBES);
    expect(test.answered(answer)).toEqual({ result: "mismatch", why });
  });

  it("goes on where chats with tools alone are made of other tokens, and tells so", () => {
    const test = new TokenizerTest([WITH_TOOLS, ...PROBES]);
    expect(test.answered(tokens(5, 7))).toBeUndefined();
    expect(test.answered(ONE)).toBeUndefined();
    const why = "probe 0 (tools) at token 1: 7, not 6, two: 400";
    const end = { result: "partial", why, hasOtherTools: true };
    expect(test.answered({ status: 400, text: "" })).toEqual(end);
  });

  const RELATED = [
    { name: "any", request: "{}", ids: "any" },
    { name: "more", request: "{}", ids: "one_more" },
  ] as const;

  it.each([
    [tokens(1), tokens(1, 9)],
    [tokens(1, 2, 0), tokens(1, 2, 9, 0)], // 0 ends texts
  ])("is passed by one token more than before where it has no ids", (before, after) => {
    const test = new TokenizerTest(RELATED);
    expect(test.answered(before)).toBeUndefined();
    expect(test.answered(after)).toEqual({ result: "passed", why: undefined });
  });

  it.each([
    [tokens(1, 2), tokens(1, 9), "probe 1 (more): 1 9, after 1 2"],
    [tokens(1), tokens(1, 9, 9), "probe 1 (more): 1 9 9, after 1"],
    [tokens(1, 2, 3), tokens(1, 9, 3, 4), "probe 1 (more): 1 9 3 4, after 1 2 3"],
  ])("is over with as many, two more, or others than before", (before, after, why) => {
    const test = new TokenizerTest(RELATED);
    test.answered(before);
    expect(test.answered(after)).toEqual({ result: "mismatch", why });
  });

  it("compares with no answer that there was not", () => {
    const test = new TokenizerTest(RELATED);
    test.answered({ status: 400, text: "" });
    expect(test.answered(tokens(7, 7, 7))).toEqual({ result: "partial", why: "any: 400" });
  });

  it.each([404, 405, 501])("is over where there is no such path: %i", (status) => {
    const test = new TokenizerTest(PROBES);
    const why = `${status} from POST /tokenize`;
    expect(test.answered({ status, text: "" })).toEqual({ result: "untested", why });
  });

  it.each([
    ["a refusal", { status: 400, text: '{"tokens":[4]}' }],
    ["no JSON", { status: 200, text: "<html>" }],
    ["null", { status: 200, text: "null" }],
    ["no list", { status: 200, text: '{"tokens":{"0":4}}' }],
    ["a list of lists", { status: 200, text: '{"tokens":[[4]]}' }],
    ["a list of texts", { status: 200, text: '{"tokens":["4"]}' }],
  ])("takes %s for no difference", (_, answer) => {
    const partial = new TokenizerTest(PROBES);
    partial.answered(ONE);
    expect(partial.answered(answer)).toEqual({ result: "partial", why: `two: ${answer.status}` });
    const none = new TokenizerTest(PROBES);
    none.answered(answer);
    const why = `one: ${answer.status}, two: ${answer.status}`;
    expect(none.answered(answer)).toEqual({ result: "untested", why });
  });
});

describe("an engine", () => {
  let clock: FakeClock;
  let connections: ReturnType<typeof fakeEngineConnections>;
  let told: string[];
  let watch: EngineWatch;
  const nameOf = (state: EngineState) => (state.kind === "ready" ? state.instance : state.reason);

  beforeEach(async () => {
    clock = new FakeClock();
    connections = fakeEngineConnections();
    told = [];
    watch = watchWith(PROBES);
    await clock.advance(0);
  });

  function watchWith(probes: readonly TokenizerProbe[]): EngineWatch {
    let instances = 0;
    return new EngineWatch({
      target: { host: "10.0.0.1", port: 1 },
      profile: PROFILE,
      dialect: "sglang-explicit",
      probes,
      startDelayMs: 0,
      open: connections.open,
      scheduler: clock,
      random: () => 0.5,
      newInstance: () => `instance-${++instances}`,
      events: {
        stateChanged: (_, to, why) => told.push(`${nameOf(to)}: ${why ?? ""}`),
        unanswered: (why) => told.push(`unanswered: ${why}`),
        tested: ({ result }) => told.push(`tokenizer ${result}`),
      },
    });
  }

  function probed(...answers: readonly { readonly status: number; readonly text: string }[]) {
    for (const { text, status } of answers) connections.latest().answerText(text, status);
  }

  it("is ready only after its test, which is at its start and over the same connection", async () => {
    connections.latest().answer();
    probed(ONE);
    expect(nameOf(watch.state)).toBe("engine_unknown");
    probed(TWO);
    expect(told).toEqual(["tokenizer passed", "instance-1: "]);
    expect(connections.opened).toHaveLength(1);
    expect(connections.latest().sent).toEqual(PROBES.map(({ request }) => request));
    await clock.advance(ASK_INTERVAL_MS);
    expect(connections.latest().asked).toEqual(["/health"]);
  });

  it("is not tested again while it stays what it is", async () => {
    connections.latest().answer();
    probed(ONE, TWO);
    for (let at = 0; at < QUESTIONS_PER_INTRODUCTION; at++) {
      await clock.advance(ASK_INTERVAL_MS);
      connections.latest().answer();
    }
    expect(connections.latest().asked).toEqual([]);
    expect(told).toEqual(["tokenizer passed", "instance-1: "]);
  });

  it("is tested again when it is back", async () => {
    connections.latest().answer();
    probed(ONE, TWO);
    connections.latest().lose("ECONNRESET");
    await clock.advance(ANSWER_TIMEOUT_MS);
    connections.latest().answer();
    probed(ONE, TWO);
    expect(told.slice(2)).toEqual([
      "engine_unknown: ECONNRESET",
      "tokenizer passed",
      "instance-2: ",
    ]);
  });

  it("that makes other tokens is off until its process is another, whatever it says", async () => {
    connections.latest().answer();
    probed(tokens(1, 2, 4));
    for (let at = 0; at < 2 * QUESTIONS_PER_INTRODUCTION; at++) {
      await clock.advance(ASK_INTERVAL_MS);
      connections.latest().answer();
    }
    expect(told).toEqual([
      "tokenizer mismatch",
      "tokenizer_mismatch: probe 0 (one) at token 2: 4, not 3",
    ]);
    connections.latest().lose("ECONNRESET");
    await clock.advance(ANSWER_TIMEOUT_MS);
    connections.latest().answer();
    probed(ONE, TWO);
    expect(watch.state.kind).toBe("ready");
  });

  it("that writes out tools otherwise is ready, but not for those", async () => {
    watch.close();
    const tested = watchWith([...PROBES, WITH_TOOLS]);
    await clock.advance(0);
    connections.latest().answer();
    probed(ONE, TWO, tokens(5));
    const state = { kind: "ready", instance: "instance-1", hasOtherTools: true };
    expect(tested.state).toMatchObject(state);
    for (let at = 0; at < QUESTIONS_PER_INTRODUCTION; at++) {
      await clock.advance(ASK_INTERVAL_MS);
      connections.latest().answer();
    }
    expect(tested.state).toMatchObject(state);
  });

  it("that cannot be tested is ready", () => {
    connections.latest().answer();
    probed({ status: 404, text: "" });
    expect(told).toEqual(["tokenizer untested", "instance-1: "]);
  });

  it("that is not what the profile says is not tested", () => {
    connections.latest().answer({ tp_size: 1 });
    expect(connections.latest().sent).toEqual([]);
    expect(nameOf(watch.state)).toBe("engine_mismatch");
  });

  it("has as long for each probe as for a question: there may be hundreds, and it may be busy", async () => {
    connections.latest().answer();
    await clock.advance(ANSWER_TIMEOUT_MS - 1);
    probed(ONE);
    await clock.advance(ANSWER_TIMEOUT_MS - 1);
    expect(connections.latest().isClosed).toBe(false);
    await clock.advance(1);
    expect(connections.latest().isClosed).toBe(true);
    expect(told).toEqual(["unanswered: no answer to POST /tokenize in 30000 ms"]);
  });
});
