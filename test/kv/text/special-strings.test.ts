import { expect, it } from "vitest";
import { SPLITS_LIMIT, SpecialStrings } from "../../../src/kv/text/special-strings.ts";

const MARKS = new SpecialStrings(["<s>", "</s>", "<|im", "<|im_end|>", "▁é"]);
const atOnce = async () => {};

it("finds the bytes before each special string, and the end of the last", async () => {
  expect(await MARKS.split("é<s>hello</s>x", atOnce)).toEqual({
    bytes: new TextEncoder().encode("é<s>hello</s>x"),
    splits: [2, 10],
    tailStart: 14,
    specialTokens: '["</s>","<s>","<|im","<|im_end|>","▁é"]',
  });
});

it("takes the longest of those that begin at a place", async () => {
  expect(await MARKS.split("<|im_end|>ab", atOnce)).toMatchObject({ splits: [0], tailStart: 10 });
});

it("finds those that are no ASCII, at the ends of characters alone", async () => {
  expect(await MARKS.split("€▁é", atOnce)).toMatchObject({ splits: [3], tailStart: 8 });
});

it("counts one before a combining mark as plain text, with all that is in it", async () => {
  const nested = new SpecialStrings(["<|a<s>", "<s>"]);
  expect(await nested.split("<s>x<|a<s>\u0338", atOnce)).toMatchObject({
    splits: [0],
    tailStart: 3,
  });
  expect(await nested.split("<|a<s>é", atOnce)).toMatchObject({ splits: [0], tailStart: 6 });
});

it.each([[""], ["< s>"], ["<|i"]])("finds none in %j", async (text) => {
  expect(await MARKS.split(text, atOnce)).toMatchObject({ splits: [], tailStart: 0 });
});

it("reads no pattern in a special string", async () => {
  const strings = new SpecialStrings(["[a-z]+", "(.)", "\\x00"]);
  expect(await strings.split("ab(.)", atOnce)).toMatchObject({ splits: [2] });
});

it("says nothing of half a surrogate pair", async () => {
  expect(await MARKS.split("<s>\uD83D", atOnce)).toBeUndefined();
});

it("finds the same wherever a long text is taken up again", async () => {
  let rests = 0;
  const rest = async () => void rests++;
  const slice = 128 * 1024;
  for (const before of [slice - 10, slice - 9, slice - 1, slice]) {
    const text = `${"x".repeat(before)}<|im_end|>${"y".repeat(slice)}<s>`;
    expect(await MARKS.split(text, rest)).toMatchObject({
      splits: [before, before + 10 + slice],
      tailStart: text.length,
    });
  }
  expect(rests).toBe(4 * 2);
});

it("lets others have the event loop between a thousand of them and the next, and finds the same", async () => {
  let rests = 0;
  const text = await MARKS.split("<s>x".repeat(20_000), async () => void rests++);
  expect(rests).toBe(19);
  expect(text?.splits).toEqual(Array.from({ length: 20_000 }, (_, index) => 4 * index));
});

it("counts what is behind the first so many as plain text", async () => {
  const text = await MARKS.split("<s>".repeat(SPLITS_LIMIT + 1), atOnce);
  expect(text?.splits.length).toBe(SPLITS_LIMIT);
  expect(text?.tailStart).toBe(3 * SPLITS_LIMIT);
});
