/** Answers that count other tokens of a prompt than it can have. The bench's engine makes a token of each character, and so do we. */
import { afterEach, describe, expect, it } from "vitest";

import { createDialect } from "../../../src/kv/dialects/dialects.ts";
import { TextPrompts } from "../../../src/kv/tokens/text-prompts.ts";
import { ENGINE_A, PathBench, SERVED } from "../../support/path-bench.ts";
import { session } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

function limit(path: PathBench, maxPromptTokens: number | undefined): void {
  path.engines.states.set(ENGINE_A.address, { kind: "ready", instance: "a", maxPromptTokens });
}

async function count(path: PathBench, asked: object, promptTokens: number): Promise<void> {
  const begun = await path.begin(asked);
  const answer = await path.answerTo(begun, "x", { prompt_tokens: promptTokens });
  begun.turn.answer(SERVED)?.push(answer, true);
  await path.ended();
}

describe("of a prompt of 4 tokens by our count, a miscount", () => {
  const TEXT = { text: "one " };
  const IDS = { input_ids: [1, 2, 3, 4] };

  it.each([
    { of: "text", asked: TEXT, counted: 5, takes: undefined, isOff: true },
    { of: "text", asked: TEXT, counted: 3, takes: undefined, isOff: true },
    { of: "text", asked: TEXT, counted: 3, takes: 4, isOff: true },
    { of: "text", asked: TEXT, counted: 3, takes: 3, isOff: false },
    { of: "text", asked: TEXT, counted: 2, takes: 3, isOff: false },
    { of: "text", asked: TEXT, counted: 5, takes: 3, isOff: true },
    { of: "ids", asked: IDS, counted: 5, takes: undefined, isOff: false },
    { of: "ids", asked: IDS, counted: 3, takes: 4, isOff: false },
  ])(
    "of $counted by an engine that made them of $of and takes $takes commits nothing; it is off: $isOff",
    async ({ asked, counted, takes, isOff }) => {
      const path = new PathBench(await benches.open(), { sendTokens: false });
      limit(path, takes);
      await count(path, asked, counted);
      expect(path.seen).toEqual(["injected 0/4", "miscounted"]);
      expect(path.engines.miscountedAt).toEqual(isOff ? [ENGINE_A.address] : []);
      expect(await path.bench.catalog.segments(session("a"))).toEqual([]);
    },
  );
});

describe("a text of which nobody but the engine knows the tokens, and 16 are listed", () => {
  const FIRST = "<s>one two three<s>A:";
  const asked = (text: string) => ({ text, sampling_params: { max_new_tokens: 4 } });

  async function open(): Promise<PathBench> {
    const tokens = new TextPrompts(["<s>"]);
    const dialect = createDialect({ name: "sglang-explicit", exposeKv: false });
    const path = new PathBench(await benches.open(), { tokens, dialect });
    await path.turn(asked("one two"), "x"); // of which the tokens of others are guessed
    await path.turn(asked(FIRST), " x y");
    path.seen.length = 0;
    return path;
  }

  it.each([
    { counted: 17, takes: undefined, end: "committed", isOff: false },
    { counted: 16, takes: undefined, end: "miscounted", isOff: true },
    { counted: 16, takes: 17, end: "miscounted", isOff: true },
    { counted: 16, takes: 16, end: "miscounted", isOff: false },
  ])(
    "is $end where an engine that takes $takes counts $counted; it is off: $isOff",
    async ({ counted, takes, end, isOff }) => {
      const path = await open();
      limit(path, takes);
      await count(path, asked(`${FIRST} four<s>B:`), counted);
      expect(path.seen).toEqual([expect.stringMatching(/^injected 16\//), end]);
      expect(path.engines.miscountedAt).toEqual(isOff ? [ENGINE_A.address] : []);
    },
  );

  it("is committed where nothing was listed, however few tokens it has", async () => {
    const path = await open();
    await count(path, asked("four"), 1);
    expect(path.seen).toEqual([expect.stringMatching(/^injected 0\//), "committed"]);
  });
});
