/**
 * Texts whose tokens become others where they go on: what is reused ends before the first token that does, in each way in which the
 * tokens of a prompt are known, and the answer is as if nothing was.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CORPUS_FILE } from "../../demo/engine/tokenizer/files.ts";
import { tinyOracle } from "../support/computing-engine.ts";
import { startComputingStack, type ComputingStack } from "../support/computing-stack.ts";
import { onlyAt, withEngineChoice } from "../support/engine-choice.ts";
import {
  askTurn,
  freshTurn,
  idsOf,
  sharedTokens,
  type Turn,
  type TurnPrompt,
} from "../support/turn-client.ts";

const PAGE = 16;
const NEW_TOKENS = 40;
const WHOLE = readFileSync(CORPUS_FILE, "utf8").slice(0, 1_200);

const asText = (text: string): TurnPrompt => ({ text });
const asChat = (text: string): TurnPrompt => ({ messages: [{ role: "user", content: text }] });

const MODES = [
  ["ids are sent in place of the text", { sendTokens: true }, asText],
  ["the engine tokenises the text", { sendTokens: false }, asText],
  ["the engine renders the chat", { dialect: "sglang-explicit" }, asChat],
] as const;

describe.each(MODES)("where %s", (_, turns, promptOf) => {
  let stack: ComputingStack;

  beforeAll(async () => {
    stack = await startComputingStack({ turns, adapt: withEngineChoice });
  });

  afterAll(() => stack.close());

  async function ask(session: string, prompt: TurnPrompt, engine: string) {
    const turn: Turn = { session, prompt, newTokens: NEW_TOKENS };
    const request = { headers: onlyAt(stack, engine) };
    const answer = await stack.toItsEnd(() => askTurn(stack.url, { ...turn, request }));
    const { text, digest, promptTokens } = freshTurn(turn);
    expect(answer).toMatchObject({ text, digest, promptTokens });
    expect(answer.kv).toBe(`reused=${answer.cachedTokens}`);
    return answer;
  }

  /** The end of a beginning of the text, of which whole pages are stored that are, or are not, those of the whole text. */
  function cutAfter(start: number, isSame: boolean): number {
    const whole = { ids: idsOf(promptOf(WHOLE)), plain: tinyOracle.tokenizer.encodePlain(WHOLE) };
    for (let end = start + 60; end < WHOLE.length - 60; end++) {
      const text = WHOLE.slice(0, end);
      const ids = idsOf(promptOf(text));
      const plain = tinyOracle.tokenizer.encodePlain(text);
      const isWholesPart = pagesOf(ids.length) <= sharedTokens(ids, whole.ids);
      const isSpelledSo = sharedTokens(plain, whole.plain) === plain.length;
      if (isWholesPart === isSame && isSpelledSo === isSame) return end;
    }
    throw new Error(`no such cut after ${start}`);
  }

  it("nothing is reused of a page whose last token is another now [T7]", async () => {
    const safe = cutAfter(0, true);
    const respelled = cutAfter(safe, false);
    const prompts = [safe, respelled, WHOLE.length].map((end) => promptOf(WHOLE.slice(0, end)));
    const [first, second, third] = prompts.map(idsOf);
    const stored = pagesOf(first?.length ?? 0);
    expect(pagesOf(second?.length ?? 0)).toBeGreaterThan(sharedTokens(second ?? [], third ?? []));

    const reused: number[] = [];
    for (const [at, prompt] of prompts.entries()) {
      reused.push((await ask("grown", prompt, at === 1 ? "b" : "a")).cachedTokens);
    }
    expect(stored).toBeGreaterThan(0);
    expect(reused).toEqual([0, stored, stored]);
  });

  it("nothing is reused of an answer that is spelled otherwise as text [T7]", async () => {
    const text = WHOLE.slice(0, 160);
    const prompt = promptOf(text);
    const { text: answer } = await ask("answered", prompt, "a");
    const next = promptOf(`${text}${answer} And so on.`);
    const { outputIds } = freshTurn({ prompt, newTokens: NEW_TOKENS });
    const told = [...idsOf(prompt), ...outputIds];
    const shared = sharedTokens(told, idsOf(next));
    expect(pagesOf(told.length - 1)).toBeGreaterThan(shared);

    const { cachedTokens } = await ask("answered", next, "b");
    expect(cachedTokens).toBeLessThanOrEqual(shared);
  });
});

function pagesOf(tokens: number): number {
  return tokens - (tokens % PAGE);
}
