/** How many tokens a text is guessed to have that nobody has counted yet. */
import { beforeEach, expect, it } from "vitest";
import { TextPrompts } from "../../../src/kv/tokens/text-prompts.ts";

const KIB = 1024;
let prompts: TextPrompts;

beforeEach(() => {
  prompts = new TextPrompts(["<s>"]);
});

async function textOf(bytes: number) {
  const encoded = await prompts.encode({ kind: "text", text: "x".repeat(bytes) });
  if (encoded.kind !== "text") throw new Error(`a text is ${encoded.kind}`);
  return encoded;
}

const guessed = async (bytes: number) => (await textOf(bytes)).guessedTokens;

it("is a quarter of its bytes before any was counted, and then what was", async () => {
  expect(await guessed(1000)).toBe(250);
  prompts.counted(100, 50);
  expect(await guessed(1000)).toBe(500);
  expect(await guessed(1)).toBe(1);
});

it("follows the texts of late", async () => {
  prompts.counted(64 * KIB, 16 * KIB);
  prompts.counted(64 * KIB, 32 * KIB);
  expect(await guessed(3000)).toBe(1250); // two parts of the last to one of that before
});

it("hardly changes by texts of a few bytes, however many", async () => {
  prompts.counted(64 * KIB, 16 * KIB);
  for (let text = 0; text < 100; text++) prompts.counted(1, 3);
  expect(await guessed(1000)).toBeLessThan(260);
});

it("is never so low that hardly anything were stored of anybody's text", async () => {
  for (let text = 0; text < 10; text++) prompts.counted(KIB * KIB, 10);
  expect(await guessed(1000)).toBe(125);
});
