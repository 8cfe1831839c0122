/**
 * Turns of a pool without a tokenizer, through a real Envoy: the engine alone knows the tokens of a text, and its merges cross word
 * ends. What one engine stored, another one loads as far as it is sure to be the same tokens, and the answer is as if nothing was.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CORPUS_FILE } from "../../demo/engine/tokenizer/files.ts";
import { startComputingStack, type ComputingStack } from "../support/computing-stack.ts";
import { onlyAt, withEngineChoice } from "../support/engine-choice.ts";
import { askTurn, freshTurn, idsOf, type Turn, type TurnAnswer } from "../support/turn-client.ts";

const PAGE = 16;
const NEW_TOKENS = 24;
const SPECIAL_TOKENS = ["<|im_start|>", "<|im_end|>"];
const CORPUS = readFileSync(CORPUS_FILE, "utf8");
const HEAD = "<|im_start|>assistant\n";

describe.each(["sglang-session", "sglang-explicit"] as const)("%s", (dialect) => {
  let stack: ComputingStack;

  beforeAll(async () => {
    const turns = { dialect, tokenizer: null, specialTokens: SPECIAL_TOKENS };
    stack = await startComputingStack({ adapt: withEngineChoice, turns });
    return () => stack.close();
  });

  async function ask(turn: Omit<Turn, "newTokens">, engine: string): Promise<TurnAnswer> {
    const whole: Turn = { ...turn, newTokens: NEW_TOKENS };
    const request = { headers: onlyAt(stack, engine) };
    const answer = await stack.toItsEnd(() => askTurn(stack.url, { ...whole, request }));
    const { text, digest, promptTokens } = freshTurn(whole);
    expect(answer).toMatchObject({ text, digest, promptTokens, engine });
    expect(answer.kv).toBe(`reused=${answer.cachedTokens}`);
    return answer;
  }

  it.each([
    ["JSON", false],
    ["events", true],
  ])("goes on with a conversation at other engines, answered in %s", async (form, isStream) => {
    const session = `goes-on-${form}`;
    const reused: number[] = [];
    const expected = [0];
    let text = `${message(form, CORPUS.slice(0, 300))}${message("user", "Where is it?")}${HEAD}`;
    for (const engine of ["a", "b", "a"]) {
      const answer = await ask({ session, prompt: { text }, isStream }, engine);
      reused.push(answer.cachedTokens);
      expected.push(safeTokens(text));
      text = `${text}${answer.text}<|im_end|>\n${message("user", "And then?")}${HEAD}`;
    }
    expect(reused).toEqual(expected.slice(0, 3));
    expect(reused[1]).toBeGreaterThan(4 * PAGE);
    expect(reused[2]).toBeGreaterThan(reused[1] ?? 0);
  });

  it("reuses a document for each question that begins with a special token", async () => {
    const document = CORPUS.slice(300, 900);
    const tokens = idsOf({ text: document }).length - 1;
    await ask({ session: "document", prompt: { text: document } }, "a");
    for (const question of ["What is it about?", "Who wrote it?"]) {
      const text = `${document}${message("user", question)}${HEAD}`;
      const { cachedTokens } = await ask({ session: "document", prompt: { text } }, "b");
      expect(cachedTokens).toBe(tokens - (tokens % PAGE));
    }
  });

  it("reuses nothing of a text that grows, whose tokens may become others [T7]", async () => {
    for (const chars of [1_000, 1_010, 1_025]) {
      const prompt = { text: CORPUS.slice(0, chars) };
      expect((await ask({ session: "grown", prompt }, "a")).cachedTokens).toBe(0);
    }
  });

  it("lists nothing of a chat, whose text only the engine renders", async () => {
    const messages = [{ role: "user", content: CORPUS.slice(0, 300) }];
    const turn = { session: "chat", prompt: { messages }, newTokens: NEW_TOKENS };
    const { kv } = await askTurn(stack.url, turn);
    expect(kv).toBe(dialect === "sglang-explicit" ? "no_tokenizer" : "path");
  });
});

it("gives no KV to an engine whose tokenizer does not know what texts are split at", async () => {
  const specialTokens = [...SPECIAL_TOKENS, "<|user|>"];
  const turns = { tokenizer: null, specialTokens };
  const stack = await startComputingStack({ turns, engineState: "tokenizer_mismatch" });
  onTestFinished(() => stack.close());
  const prompt = { text: message("user", "Where is it?") };
  const { kv } = await askTurn(stack.url, { session: "other", prompt, newTokens: 1 });
  expect(kv).toBe("tokenizer_mismatch");
});

function message(role: string, content: string): string {
  return `<|im_start|>${role}\n${content}<|im_end|>\n`;
}

/** Whole pages of what stands before the last header, where at most so many tokens are behind it as it has bytes. */
function safeTokens(text: string): number {
  const bytes = HEAD.length - "<|im_start|>".length;
  const tokens = idsOf({ text }).length - bytes - 3;
  return tokens - (tokens % PAGE);
}
