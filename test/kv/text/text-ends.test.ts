import { expect, it } from "vitest";
import { SpecialStrings } from "../../../src/kv/text/special-strings.ts";
import { textCuts, textEnds } from "../../../src/kv/text/text-ends.ts";

const MARKS = new SpecialStrings(["<s>"]);

async function endsOf(text: string) {
  const split = await MARKS.split(text, async () => {});
  return split === undefined ? [] : textEnds(split);
}

it("knows how many tokens may stand behind the last special string, and which may not be the text's", async () => {
  expect(await endsOf("<s>one<s>four")).toEqual([
    { at: 6, behind: 1 + 1 + (4 + 1) },
    { at: 13, behind: 1 },
  ]);
});

it("knows those of all of a text without special strings", async () => {
  expect(await endsOf("four")).toEqual([{ at: 4, behind: 1 }]);
});

it.each([
  ["é", 3], // e and an accent
  ["\u0958", 6], // two characters in every normal form
  ["ﷺ", 33], // eighteen letters and spaces
  ["Ⱥ", 3], // in lower case, which has a byte more
])("counts the tail %s in the longest form that a tokenizer may give it", async (tail, bytes) => {
  expect((await endsOf(`x<s>${tail}`))[0]).toEqual({ at: 1, behind: 2 + (bytes + 1) });
});

it("judges no tail that is very long", async () => {
  const limit = 64 * 1024;
  expect(await endsOf(`x<s>${"y".repeat(limit)}`)).toHaveLength(2);
  expect(await endsOf(`x<s>${"y".repeat(limit + 1)}`)).toHaveLength(1);
});

/** Of a prompt of 200 tokens. */
const ENDS = [
  { at: 100, behind: 130 },
  { at: 200, behind: 70 },
];

function cutsOf([tokenStart, tokenLength]: readonly [number, number], ends = ENDS) {
  const written = { promptTokens: 200, tokenStart, tokenLength };
  return textCuts(ends, written, 16).map(({ at, tokens, ...cut }) => [at, tokens, cut.tokenLength]);
}

it("cuts what was written into whole pages up to each end", () => {
  expect(cutsOf([16, 160])).toEqual([
    [100, 64, 48],
    [200, 128, 64],
  ]);
});

it("gives pages that both ends have to the one that more prompts go on from", () => {
  const ends = ENDS.map((end) => ({ ...end, behind: 70 }));
  expect(cutsOf([0, 160], ends)).toEqual([[100, 128, 128]]);
});

it("cuts no further than was written", () => {
  expect(cutsOf([16, 90])).toEqual([
    [100, 64, 48],
    [200, 96, 32],
  ]);
});

it("cuts nothing of what is behind the last end, or is less than a page", () => {
  expect(cutsOf([128, 64])).toEqual([]);
  expect(cutsOf([0, 64], [{ at: 9, behind: 185 }])).toEqual([]);
});

it("cuts nothing up to an end behind which all tokens may stand, or more", () => {
  expect(cutsOf([0, 64], [{ at: 9, behind: 200 }])).toEqual([]);
  expect(cutsOf([0, 64], [{ at: 9, behind: 300 }])).toEqual([]);
});
