import { expect, it } from "vitest";
import { type TestEnd, TokenizerTest } from "../../../src/kv/engines/tokenizer-test.ts";
import { createEncoder } from "../../../src/kv/tokens/encoder.ts";
import { specialProbes } from "../../../src/kv/tokens/special-probes.ts";
import { type Json, smallTokenizer } from "../../support/small-tokenizer.ts";

const EOS = { bos_token: "<s>", eos_token: "</s>", add_bos_token: true, add_eos_token: true };

/** What an engine with this tokenizer says to all probes of the strings. */
function testOf(specialTokens: readonly string[], config: Json = {}) {
  const { encode, frame } = createEncoder(smallTokenizer(), config);
  const test = new TokenizerTest(specialProbes(specialTokens));
  for (;;) {
    const { prompt } = JSON.parse(test.question);
    const tokens = [...frame.before, ...encode(prompt), ...frame.after];
    const end: TestEnd | undefined = test.answered({
      status: 200,
      text: JSON.stringify({ tokens }),
    });
    if (end !== undefined) return end;
  }
}

it("passes strings that are always tokens of their own", () => {
  const passed = { result: "passed", why: undefined };
  const strings = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<think>"];
  expect(testOf(strings)).toEqual(passed);
  expect(testOf(strings, EOS)).toEqual(passed);
});

it.each([
  ["is plain text", "<|user|>"],
  ["is one plain token, of which two are one", "l"],
  ["is one plain token that takes the space before it", "w"],
  ["takes what is before it", "<|eats|>"],
])("finds a string that %s", (_, string) => {
  expect(testOf(["<s>", string])).toMatchObject({ result: "mismatch" });
});

it("asks behind a word, behind white space and behind a space, for none of them, one and two", () => {
  expect(specialProbes(["<s>"]).map(({ request }) => JSON.parse(request).prompt)).toEqual([
    "x",
    "x<s>",
    "x<s><s>",
    "x \n",
    "x \n<s>",
    "x \n<s><s>",
    "x ",
    "x <s>",
    "x <s><s>",
  ]);
});
