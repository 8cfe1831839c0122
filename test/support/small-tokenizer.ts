/**
 * A byte-level BPE tokenizer, small enough to read: 256 bytes, a few merges, some of which cross word ends, and added tokens of every
 * kind that a model may have.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { TokenizerFiles } from "../../src/kv/tokens/tokenizer-files.ts";

export type Json = Record<string, unknown>;

/** Pairs in the byte alphabet, where a space is Ġ and a line's end is Ċ. */
const MERGES = [
  "h e",
  "l l",
  "he ll",
  "hell o",
  "o Ġ",
  "hello Ġ",
  "w o",
  "wo r",
  "wor l",
  "worl d",
  "Ġ w",
  "e Ġ",
  "t h",
  "th e",
  "the Ġ",
  ". Ġ",
  "d .Ġ",
  "s Ċ",
  "Ċ Ċ",
  "a n",
  "an d",
  "and Ġ",
  "Ð ¿",
  "Ã ©",
  "ð Ł",
].map((pair) => pair.split(" "));

const ADDED: readonly Json[] = [
  { content: "<|im_start|>", special: true, normalized: false },
  { content: "<|im_end|>", special: true, normalized: false },
  { content: "<s>", special: true, normalized: false },
  { content: "</s>", special: true, normalized: false },
  { content: "<|im", special: true, normalized: false }, // begins two others
  { content: "<|eats|>", special: true, normalized: false, lstrip: true, rstrip: true },
  { content: "<think>", special: false, normalized: false },
  { content: "Née", special: false, normalized: true },
  { content: "\n\n\n", special: false, normalized: false }, // eaten by its neighbours
];

export function smallTokenizer(changes: Json = {}): Json {
  const bytes = byteAlphabet();
  const merged = MERGES.map((pair) => pair.join(""));
  const tokens = [...new Set([...bytes, ...merged])];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: ADDED.map((token, i) => ({
      id: tokens.length + i,
      single_word: false,
      lstrip: false,
      rstrip: false,
      ...token,
    })),
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: false,
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { "<s>": { id: "<s>", ids: [tokens.length + 2], tokens: ["<s>"] } },
    },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab, merges: MERGES.map((pair) => pair.join(" ")) },
    ...changes,
  };
}

export const CHAT_TEMPLATE = `{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}`;

export interface WrittenTokenizer {
  readonly tokenizer?: Json | string;
  readonly config?: Json | string;
  readonly template?: string;
}

/** Files in a folder that goes with the test. */
export function writeTokenizer({ tokenizer, config, template }: WrittenTokenizer): TokenizerFiles {
  const folder = mkdtempSync(join(tmpdir(), "moorline-tokenizer-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const write = (name: string, content: Json | string): string => {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  return {
    file: write("tokenizer.json", tokenizer ?? smallTokenizer()),
    ...(config !== undefined && { config: write("tokenizer_config.json", config) }),
    ...(template !== undefined && { template: write("chat.jinja", template) }),
  };
}

/** The 256 characters that stand for bytes: those that print stand for themselves. */
function byteAlphabet(): string[] {
  const prints = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(prints(byte) ? byte : next++),
  );
}
