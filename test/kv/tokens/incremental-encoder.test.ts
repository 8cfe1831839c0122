import { AddedToken } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createEncoder } from "../../../src/kv/tokens/encoder.ts";
import { IncrementalEncoder } from "../../../src/kv/tokens/incremental-encoder.ts";
import {
  type SectionBoundary,
  SectionBoundaries,
} from "../../../src/kv/tokens/section-boundaries.ts";
import { settle } from "../../support/fake-clock.ts";
import { smallTokenizer } from "../../support/small-tokenizer.ts";
import type { Json } from "../../support/small-tokenizer.ts";

const KINDS: Readonly<Record<string, Json>> = {
  "merges across words": {},
  words: { pre_tokenizer: { type: "ByteLevel", use_regex: true, add_prefix_space: true } },
  "a mark before the first word": {
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first" },
    model: { ...(smallTokenizer()["model"] as Json), unk_token: "<s>" },
  },
  "a normaliser that strips and prepends": {
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Strip", strip_left: true, strip_right: true },
        { type: "Prepend", prepend: "the " },
      ],
    },
  },
  "no normaliser": { normalizer: null },
};

/** Pieces of added tokens, so that random texts have whole ones, ones inside others, and ones that another piece completes. */
const FRAGMENTS = [
  "<|im_start|>", "<|im_end|>", "<|im", "_start|>", "_end|>", "<", "|>", "<s>", "</s>", "<|eats|>", "<think>", "Née", "Ne\u0301e",
  "\n", "\n\n\n", " ", "  ", "hello world", "the and", "s\n\n", "é", "👩‍👧", "\uD83D", "\uDC67", "привет", "x".repeat(30),
]; // prettier-ignore

const text = fc
  .array(fc.constantFrom(...FRAGMENTS), { maxLength: 40 })
  .map((parts) => parts.join(""));

describe.each(Object.entries(KINDS))("a tokenizer with %s", (_, changes) => {
  const encoder = createEncoder(smallTokenizer(changes), {});

  it("has the same tokens before a boundary whatever follows, and behind it whatever was before", async () => {
    const boundaries = new SectionBoundaries(encoder.sectionTokens);
    await fc.assert(
      fc.asyncProperty(text, async (whole) => {
        for (const { start, end } of await boundaries.last(1_000, whole, settle)) {
          const before = encoder.encode(whole.slice(0, end));
          const behind = encoder.encode(whole.slice(start)).subarray(1);
          expect([...before, ...behind]).toEqual([...encoder.encode(whole)]);
        }
      }),
    );
  });

  it("encodes turns of conversations that grow, are edited and fork as if each stood alone", async () => {
    const incremental = createIncremental(encoder.encode, encoder.sectionTokens);
    const step = fc.record({ kept: fc.nat({ max: 100 }), added: text });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
        let prompt = "<|im_start|>the world ".repeat(60);
        for (const { kept, added } of steps) {
          prompt = prompt.slice(0, prompt.length - Math.floor(kept / 10)) + added;
          expect(await incremental.encode(prompt)).toEqual(encoder.encode(prompt));
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("a text that goes on from an earlier one", () => {
  const encoder = createEncoder(smallTokenizer(), {});
  const turn = (name: string): string =>
    `<|im_start|>user\n${name.repeat(600)}<|im_end|>\n<|im_start|>assistant\n`;

  it("is encoded from the last added token that both have", async () => {
    const encodedTexts: string[] = [];
    const incremental = createIncremental((part) => {
      encodedTexts.push(part);
      return encoder.encode(part);
    }, encoder.sectionTokens);
    await incremental.encode(turn("a") + turn("b"));
    encodedTexts.length = 0;
    await incremental.encode(`${turn("a")}${turn("b")}hello<|im_end|>\n${turn("c")}`);
    expect(encodedTexts).toEqual([
      `<|im_start|>assistant\nhello<|im_end|>\n<|im_start|>user\n${"c".repeat(600)}<|im_end|>\n<|im_start|>`,
      "<|im_start|>assistant\n",
    ]);
  });

  it("is encoded whole once the ids of the earlier one had to make room", async () => {
    let chars = 0;
    const incremental = new IncrementalEncoder({
      sectionTokens: encoder.sectionTokens,
      encodeText: (part) => {
        chars += part.length;
        return Promise.resolve(encoder.encode(part));
      },
      rest: settle,
      keptBytes: 8_000, // one of the texts
    });
    const long = turn("hello");
    await incremental.encode(long);
    await incremental.encode(turn("x").repeat(3));
    chars = 0;
    await incremental.encode(long);
    expect(chars).toBeGreaterThan(long.length - 100);
  });

  it("of several slices is cut where a text of one slice is", async () => {
    const boundaries = new SectionBoundaries(encoder.sectionTokens);
    const slice = 128 * 1024;
    for (const at of [slice - 13, slice - 12, slice - 1, slice, slice + 1]) {
      const long = `${"a".repeat(at)}<|im_start|>${"b".repeat(slice)}`;
      expect(await boundaries.last(2, long, settle)).toEqual([{ start: at, end: at + 12 }]);
    }
  });
});

describe("the last added tokens of a long text", () => {
  const lastOf = (contents: readonly string[], count: number, whole: string) => {
    const tokens = contents.map((content) => new AddedToken({ id: 1, content, special: true }));
    return new SectionBoundaries(tokens).last(count, whole, settle);
  };

  it("are those that are found from its start", async () => {
    const part = fc.oneof(
      fc.constantFrom("<|a|>", "<|bcd|>", "<s>", "<|", "|>"),
      fc.nat({ max: 9_000 }).map((chars) => "x".repeat(chars)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part), fc.integer({ min: 1, max: 20 }), async (parts, count) => {
        const whole = parts.join("");
        const found = fromStart(whole, /<\|a\|>|<\|bcd\|>|<s>/g);
        expect(await lastOf(["<|a|>", "<|bcd|>", "<s>"], count, whole)).toEqual(
          found.slice(-count),
        );
      }),
    );
  });

  it("are found wherever they lie", async () => {
    for (const fromEnd of [4_094, 4_095, 4_096, 4_097, 12_287, 12_288, 12_289]) {
      const whole = `${"x".repeat(20_000)}<s>${"x".repeat(fromEnd - 3)}`;
      expect(await lastOf(["<s>"], 1, whole)).toEqual([{ start: 20_000, end: 20_003 }]);
    }
  });

  it.each([
    ["begins as it ends", ["aba"], "ab"],
    ["begins as another one ends", ["cab", "bc"], "cab"],
    ["is in another one", ["abc", "b"], "abc"],
    ["is the beginning of another one", ["abc", "ab"], "abc"],
  ])("are the same as from its start where one %s", async (_, contents, piece) => {
    for (const behind of ["", "x", "xx"]) {
      const whole = piece.repeat(4_000) + behind;
      const found = fromStart(whole, new RegExp(contents.join("|"), "g"));
      expect(await lastOf(contents, 8_000, whole)).toEqual(found);
    }
  });
});

function fromStart(whole: string, tokens: RegExp): readonly SectionBoundary[] {
  return Array.from(whole.matchAll(tokens), ({ index: start, 0: content }) => ({
    start,
    end: start + content.length,
  }));
}

function createIncremental(
  encode: (part: string) => Uint32Array,
  sectionTokens: ConstructorParameters<typeof SectionBoundaries>[0],
): IncrementalEncoder {
  return new IncrementalEncoder({
    sectionTokens,
    encodeText: (part) => Promise.resolve(encode(part)),
    rest: settle,
    keptBytes: 1_000_000,
  });
}
