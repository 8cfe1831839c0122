/**
 * What text mode promises, held against real tokenizers: whatever follows, the tokens up to an end of a text are those of every text
 * that is the same up to it and has a special string there.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "../../../demo/engine/tokenizer/files.ts";
import { SpecialStrings, type SplitText } from "../../../src/kv/text/special-strings.ts";
import { textEnds } from "../../../src/kv/text/text-ends.ts";
import { createEncoder } from "../../../src/kv/tokens/encoder.ts";
import { type Json, smallTokenizer } from "../../support/small-tokenizer.ts";

type Encode = (text: string) => number[];

const SPECIAL = ["<|im_start|>", "<|im_end|>", "<s>", "</s>", "<|im", "<think>"];
const EOS = { bos_token: "<s>", eos_token: "</s>", add_bos_token: true, add_eos_token: true };

const demo: Json = JSON.parse(readFileSync(TOKENIZER_FILE, "utf8"));
const demoConfig: Json = JSON.parse(readFileSync(TOKENIZER_CONFIG_FILE, "utf8"));

const piece = fc.oneof(
  fc.constantFrom(...SPECIAL, "<|im_", "end|>", "start|>", "<", "s>", "think>"),
  fc.constantFrom("hello world", "the ", "and the ", ". ", " ", "\n", "\n\n\n", "assistant\n"),
  fc.constantFrom("é", "e\u0301", "\u0958", "ﷺ", "ﬁ", "👩‍👧", "п"),
  fc.string({ maxLength: 6 }),
);
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
/** A prompt, how much of it stays, and what comes instead of the rest. */
const edits = fc.record({ prompt: text, kept: fc.nat(120), more: text });

it.each<[string, SpecialStrings, Encode]>([
  [
    "the demo's tokenizer",
    new SpecialStrings(["<|im_start|>", "<|im_end|>"]),
    encodeOf(demo, demoConfig),
  ],
  ["a small tokenizer", new SpecialStrings(SPECIAL), encodeOf(smallTokenizer())],
  ["one that ends texts", new SpecialStrings(SPECIAL), encodeOf(smallTokenizer(), EOS)],
  ["one of NFC", new SpecialStrings(SPECIAL), encodeOf(normalised("NFC"))],
  ["one of NFKC", new SpecialStrings(SPECIAL), encodeOf(normalised("NFKC"))],
  ["one of NFD", new SpecialStrings(SPECIAL), encodeOf(normalised("NFD"))],
  ["one that puts spaces in front", new SpecialStrings(SPECIAL), encodeOf(prefixed())],
])(
  "shares the tokens before an end with whatever goes on there, by %s [T7]",
  async (_, special, encode) => {
    let shared = 0;
    await fc.assert(
      fc.asyncProperty(edits, async ({ prompt, kept, more }) => {
        const one = await splitOf(special, prompt);
        const ids = encode(prompt);
        for (const next of [prompt + more, prompt.slice(0, kept) + more]) {
          const other = await splitOf(special, next);
          const begins = encode(next);
          for (const { at, behind } of textEnds(one)) {
            const tokens = Math.max(0, ids.length - behind);
            if (!goesOn(one, other, at)) continue;
            shared += tokens;
            expect(begins.slice(0, tokens)).toEqual(ids.slice(0, tokens));
          }
        }
      }),
      { numRuns: 300, seed: 20 },
    );
    expect(shared).toBeGreaterThan(1_000); // or nothing was compared
  },
);

it("promises exactly the tokens before a special string, where its tail has as many as it can", async () => {
  const encode = encodeOf(prefixed(), EOS);
  const prompt = "hello<think>x"; // a space, x, and the end of the text
  const [{ behind } = { behind: 0 }] = textEnds(await splitOf(new SpecialStrings(SPECIAL), prompt));
  expect(encode(prompt).length - behind).toBe(encode("hello").length - 1);
});

it("promises all tokens of a text, less the one that is put behind it", async () => {
  const encode = encodeOf(smallTokenizer(), EOS);
  const [{ behind } = { behind: 0 }] = textEnds(
    await splitOf(new SpecialStrings(SPECIAL), "hello"),
  );
  const shared = encode("hello").length - behind;
  expect(encode("hello<think>").slice(0, shared)).toEqual(encode("hello").slice(0, shared));
  expect(encode("hello<think>")[shared]).not.toBe(encode("hello")[shared]);
});

it("promises nothing of a special string that a mark makes another one, where it is looked for in normal form", async () => {
  const nfc = encodeOf(normalised("NFC"));
  const encode = (prompt: string) => nfc(prompt.normalize("NFC"));
  const special = new SpecialStrings(SPECIAL);
  const prompt = "hello<|im_start|>\u0338"; // its last character is no > any more
  const next = "hello<|im_start|>";
  const ids = encode(prompt);
  for (const { at, behind } of textEnds(await splitOf(special, prompt))) {
    const tokens = Math.max(0, ids.length - behind);
    if (!goesOn(await splitOf(special, prompt), await splitOf(special, next), at)) continue;
    expect(encode(next).slice(0, tokens)).toEqual(ids.slice(0, tokens));
  }
  expect(goesOn(await splitOf(special, next), await splitOf(special, prompt), 5)).toBe(false);
});

function goesOn(one: SplitText, other: SplitText, at: number): boolean {
  if (!other.splits.includes(at)) return false;
  return Buffer.compare(one.bytes.subarray(0, at), other.bytes.subarray(0, at)) === 0;
}

async function splitOf(special: SpecialStrings, prompt: string): Promise<SplitText> {
  const split = await special.split(prompt.toWellFormed(), async () => {});
  if (split === undefined) throw new Error("a well formed text has bytes");
  return split;
}

function encodeOf(tokenizer: Json, config: Json = {}): Encode {
  const { encode, frame } = createEncoder(tokenizer, config);
  return (prompt) => [...frame.before, ...encode(prompt.toWellFormed()), ...frame.after];
}

function normalised(type: string): Json {
  return smallTokenizer({ normalizer: { type } });
}

function prefixed(): Json {
  const byteLevel = { type: "ByteLevel", add_prefix_space: true, use_regex: false };
  return smallTokenizer({ pre_tokenizer: { ...byteLevel, trim_offsets: false } });
}
