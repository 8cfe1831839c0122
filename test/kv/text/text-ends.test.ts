import { expect, it } from "vitest";
import { SpecialStrings } from "../../../src/kv/text/special-strings.ts";
import { textCuts, textEnds } from "../../../src/kv/text/text-ends.ts";

const MARKS = new SpecialStrings(["<s>"]);

async function endsOf(text: string, promptTokens: number) {
  const split = await MARKS.split(text, async () => {});
  return split === undefined ? [] : textEnds(split, promptTokens);
}

it("knows the tokens before the last special string, and those of all, less what may not be the text's", async () => {
  expect(await endsOf("<s>one<s>four", 20)).toEqual([
    { at: 6, tokens: 20 - 1 - 1 - (4 + 1) },
    { at: 13, tokens: 20 - 1 },
  ]);
});

it("knows those of all of a text without special strings", async () => {
  expect(await endsOf("four", 20)).toEqual([{ at: 4, tokens: 19 }]);
});

it("names no end that has no tokens", async () => {
  expect(await endsOf("<s>four", 7)).toEqual([{ at: 7, tokens: 6 }]);
  expect(await endsOf("four", 1)).toEqual([]);
});

it.each([
  ["é", 3], // e and an accent
  ["\u0958", 6], // two characters in every normal form
  ["ﷺ", 33], // eighteen letters and spaces
  ["Ⱥ", 3], // in lower case, which has a byte more
])("counts the tail %s in the longest form that a tokenizer may give it", async (tail, bytes) => {
  expect((await endsOf(`x<s>${tail}`, 100))[0]).toEqual({ at: 1, tokens: 100 - 2 - (bytes + 1) });
});

it("judges no tail that is very long", async () => {
  const limit = 64 * 1024;
  expect(await endsOf(`x<s>${"y".repeat(limit)}`, 1_000_000)).toHaveLength(2);
  expect(await endsOf(`x<s>${"y".repeat(limit + 1)}`, 1_000_000)).toHaveLength(1);
});

const ENDS = [
  { at: 100, tokens: 70 },
  { at: 200, tokens: 130 },
];

it("cuts what was written into whole pages up to each end", () => {
  expect(textCuts(ENDS, { tokenStart: 16, tokenLength: 160 }, 16)).toEqual([
    { at: 100, tokens: 64, tokenLength: 48 },
    { at: 200, tokens: 128, tokenLength: 64 },
  ]);
});

it("gives pages that both ends have to the one that more prompts go on from", () => {
  const ends = [{ at: 100, tokens: 128 }, ENDS[1] ?? { at: 0, tokens: 0 }];
  expect(textCuts(ends, { tokenStart: 0, tokenLength: 160 }, 16)).toEqual([
    { at: 100, tokens: 128, tokenLength: 128 },
  ]);
});

it("cuts no further than was written", () => {
  expect(textCuts(ENDS, { tokenStart: 16, tokenLength: 90 }, 16)).toEqual([
    { at: 100, tokens: 64, tokenLength: 48 },
    { at: 200, tokens: 96, tokenLength: 32 },
  ]);
});

it("cuts nothing of what is behind the last end, or is less than a page", () => {
  expect(textCuts(ENDS, { tokenStart: 128, tokenLength: 64 }, 16)).toEqual([]);
  expect(textCuts([{ at: 9, tokens: 15 }], { tokenStart: 0, tokenLength: 64 }, 16)).toEqual([]);
});
