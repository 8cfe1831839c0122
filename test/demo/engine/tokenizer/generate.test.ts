import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { writeBytes } from "../../../../demo/engine/tokenizer/byte-alphabet.ts";
import { learnMerges } from "../../../../demo/engine/tokenizer/byte-pairs.ts";
import {
  CORPUS_FILE,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
} from "../../../../demo/engine/tokenizer/files.ts";
import {
  generateTokenizer,
  generateTokenizerConfig,
} from "../../../../demo/engine/tokenizer/generate.ts";
import { SPECIAL_TOKENS, VOCABULARY } from "../../../../demo/engine/tokenizer/vocabulary.ts";

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));
const { vocab } = (readJson(TOKENIZER_FILE) as { model: { vocab: Record<string, number> } }).model;
const tokens = Object.entries(vocab).toSorted(([, a], [, b]) => a - b);
const tokenOf = (id: number) => tokens[id]?.[0];

describe("the tokenizer's files", () => {
  it("are what the script writes", () => {
    const corpus = readFileSync(CORPUS_FILE, "utf8");
    expect(readJson(TOKENIZER_FILE)).toEqual(generateTokenizer(corpus));
    expect(readJson(TOKENIZER_CONFIG_FILE)).toEqual(generateTokenizerConfig());
  });

  it("have every id once, and the special ones where they are said to be", () => {
    expect(tokens.map(([, id]) => id)).toEqual(
      Array.from({ length: VOCABULARY.size }, (_, id) => id),
    );
    for (const { id, text } of Object.values(SPECIAL_TOKENS)) expect(vocab[text]).toBe(id);
  });

  it("have each part of the vocabulary where it is said to end", () => {
    expect(tokenOf(VOCABULARY.textEnd - 1)).toBe("~");
    expect(tokenOf(VOCABULARY.textEnd)).toBe(writeBytes("\0")[0]);
    expect(tokenOf(VOCABULARY.bytesEnd - 1)).toBe("ÿ");
  });
});

describe("learnMerges", () => {
  const learn = (text: string, tokens: number) =>
    learnMerges([writeBytes(text)], { tokens, longest: 4 });

  it("merges the most frequent neighbours first, and then what they became", () => {
    expect(learn("abcabcab", 2)).toEqual([
      ["a", "b"],
      ["ab", "c"],
    ]);
  });

  it("takes equally frequent ones in the order of their characters", () => {
    expect(learn("xyabxyab", 1)).toEqual([["a", "b"]]);
  });

  it("makes no token longer than allowed, and says when a text has no more to give", () => {
    expect(learn("aaaaaaaaaaaaaaaa", 2)).toEqual([
      ["a", "a"],
      ["aa", "aa"],
    ]);
    expect(() => learn("aaaaaaaaaaaaaaaa", 3)).toThrow("the text has only 2 tokens to learn");
  });
});
