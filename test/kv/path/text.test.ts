/** Texts in a pool without a tokenizer, whose engines alone know their tokens. The bench's engine makes a token of each character. */
import { afterEach, expect, it } from "vitest";

import { createDialect } from "../../../src/kv/dialects/dialects.ts";
import type { PromptTokens } from "../../../src/kv/tokens/prompt-tokens.ts";
import { TextPrompts } from "../../../src/kv/tokens/text-prompts.ts";
import { collectGarbage } from "../../support/garbage.ts";
import { bodyOf, ENGINE_A, PathBench, SERVED } from "../../support/path-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

async function open(tokens: PromptTokens = new TextPrompts(["<s>"])): Promise<PathBench> {
  const dialect = createDialect({ name: "sglang-explicit", exposeKv: false });
  return new PathBench(await benches.open(), { tokens, dialect });
}

/** Its last special string begins at 16; behind that are 2 characters. */
const FIRST = "<s>one two three<s>A:";
const SECOND = `${FIRST} four<s>B:`;

const asked = (text: string) => ({ text, sampling_params: { max_new_tokens: 4 } });

it("reuses what stands before the special string behind which the text goes on otherwise", async () => {
  const path = await open();
  await path.turn(asked("one two"), "x"); // of which the tokens of others are guessed
  await path.turn(asked(FIRST), " x y");
  const second = await path.turn(asked(SECOND), " z");
  expect(second.status).toBe("reused=16");
  expect(bodyOf(second)).toMatchObject({ text: SECOND });
  expect(bodyOf(second)).not.toHaveProperty("input_ids");
  expect(bodyOf(second).kvcache_params?.fresh_kvcache).toMatchObject([{ token_start: 16 }]);
  expect((await path.begin(asked(`${SECOND} z<s>`))).status).toBe("reused=26");
});

it("reuses nothing of a text that goes on in plain text [T7]", async () => {
  const path = await open();
  await path.turn(asked("one two three"), " x y");
  expect((await path.begin(asked("one two three x y four"))).status).toBe("reused=0");
});

it("guesses tokens by those that the engine counted", async () => {
  const path = await open();
  await path.turn(asked("one two three four five"), "x");
  await path.turn(asked("ten two three four five"), "x");
  expect(path.seen).toEqual(["injected 0/6", "committed", "injected 0/23", "committed"]);
});

it("guesses nothing by a count that is the most that the engine reads, which is not of all of the prompt", async () => {
  const path = await open();
  const counts = async (promptTokens: number, takes: number | undefined) => {
    path.engines.states.set(ENGINE_A.address, {
      kind: "ready",
      instance: "a",
      maxPromptTokens: takes,
    });
    const begun = await path.begin(asked("one two three four five"));
    const answer = await path.answerTo(begun, "x", { prompt_tokens: promptTokens });
    begun.turn.answer(SERVED)?.push(answer, true);
    await path.ended();
  };
  await counts(5, 5);
  await counts(5, 4);
  await counts(5, 6);
  await counts(5, undefined);
  expect(path.seen.filter((each) => each !== "committed")).toEqual([
    "injected 0/6",
    "injected 0/6",
    "injected 0/6",
    "injected 0/5",
  ]);
});

it("shows its predictor the tokens that the engine counted", async () => {
  const path = await open();
  const begun = await path.begin(asked(FIRST));
  const answer = await path.answerTo(begun, "x");
  await path.bench.clock.advance(100);
  begun.turn.answer(SERVED)?.push(answer, true);
  await path.ended();
  expect(path.measured).toMatchObject([{ turn: { promptTokens: FIRST.length } }]);
});

it("keeps nothing of a text while its engine answers, and commits it all the same", async () => {
  const bytes: WeakRef<object>[] = [];
  const prompts = new TextPrompts(["<s>"]);
  const encode: PromptTokens["encode"] = async (prompt) => {
    const encoded = await prompts.encode(prompt);
    if (encoded.kind === "text") bytes.push(new WeakRef(encoded.text.bytes.buffer));
    return encoded;
  };
  const path = await open({ encode, close: () => prompts.close() });
  const begun = await path.begin(asked(FIRST));
  await collectGarbage();
  expect(bytes.map((each) => each.deref())).toEqual([undefined]);
  const answer = await path.answerTo(begun, "x");
  begun.turn.answer(SERVED)?.push(answer, true);
  await path.ended();
  expect((await path.begin(asked(SECOND))).status).toBe("reused=10");
});

it("lists nothing of an answer that does not count its prompt", async () => {
  const path = await open();
  const begun = await path.begin(asked(FIRST));
  const answer = await path.answerTo(begun, "x", { prompt_tokens: undefined });
  begun.turn.answer(SERVED)?.push(answer, true);
  await path.ended();
  expect(path.seen.at(-1)).toBe("uncounted");
  expect((await path.begin(asked(SECOND))).status).toBe("reused=0");
});

it("passes what is no text, or one of which nobody knows the bytes", async () => {
  const path = await open();
  const chat = { messages: [{ role: "user", content: "one" }] };
  expect((await path.begin(chat, {}, "/v1/chat/completions")).status).toBe("no_tokenizer");
  expect((await path.begin(asked("one \uD83D two"))).status).toBe("no_tokenizer");
});

it("goes on with prompts that come as ids", async () => {
  const path = await open();
  await path.turn("one ", "two ");
  expect((await path.begin("one two three ")).status).toBe("reused=7");
});
