/** Makes the demo's `tokenizer.json` and `tokenizer_config.json` from a small text: the same ones whenever it is asked. */
import { Tokenizer } from "@huggingface/tokenizers";
import { BYTE_CHARACTERS, isPlainText, writeBytes } from "./byte-alphabet.ts";
import { learnMerges } from "./byte-pairs.ts";
import type { Merge } from "./byte-pairs.ts";
import { LEARNED_TOKENS, SPECIAL_TOKENS, VOCABULARY } from "./vocabulary.ts";

/**
 * What is tokenised apart: sentences and lines, with the space after them. Merges cross everything else. A text without any is one
 * piece, and costs more than in proportion to its length.
 */
const PIECE = String.raw`[^.!?\n]*[.!?\n]+\s*|[^.!?\n]+`;
const LONGEST_TOKEN = 8;

/** ChatML. Tools and a keyword argument are part of the prompt, as in real templates. */
const CHAT_TEMPLATE = `{{- bos_token }}
{%- if tools %}
{{- '<|im_start|>tools\\n' + (tools | tojson) + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking %}
{{- 'think: ' }}
{%- endif %}
{%- endif %}`;

export function generateTokenizer(corpus: string): object {
  const pieces = corpus.match(new RegExp(PIECE, "g")) ?? [];
  const merges = learnMerges(pieces.map(writeBytes), {
    tokens: LEARNED_TOKENS,
    longest: LONGEST_TOKEN,
  });
  const learned = [...new Set(merges.map(([left, right]) => left + right))];
  const canonical = canonicalTokens(learned, merges);
  const canonicalEnd = canonical.length + 2;
  if (canonicalEnd !== VOCABULARY.canonicalEnd) {
    throw new RangeError(`canonicalEnd ${VOCABULARY.canonicalEnd} must be ${canonicalEnd}`);
  }
  const bytes = [...BYTE_CHARACTERS.keys()];
  const characters = (of: number[]) => of.map((byte) => BYTE_CHARACTERS[byte] as string);
  const { eos, imEnd, bos, imStart } = SPECIAL_TOKENS;
  return tokenizerJson(merges, [
    eos.text,
    imEnd.text,
    ...canonical,
    ...learned.filter((token) => !canonical.includes(token)),
    ...characters(bytes.filter(isPlainText)),
    ...characters(bytes.filter((byte) => !isPlainText(byte))),
    bos.text,
    imStart.text,
  ]);
}

export function generateTokenizerConfig(): object {
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    add_bos_token: true,
    add_eos_token: false,
    add_prefix_space: false,
    bos_token: SPECIAL_TOKENS.bos.text,
    eos_token: SPECIAL_TOKENS.eos.text,
    additional_special_tokens: [SPECIAL_TOKENS.imStart.text, SPECIAL_TOKENS.imEnd.text],
    clean_up_tokenization_spaces: false,
    chat_template: CHAT_TEMPLATE,
  };
}

/** `vocabulary` in the order of ids. */
function tokenizerJson(merges: readonly Merge[], vocabulary: readonly string[]): object {
  const { bos } = SPECIAL_TOKENS;
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Object.values(SPECIAL_TOKENS)
      .toSorted((a, b) => a.id - b.id)
      .map(({ id, text }) => ({
        id,
        content: text,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: PIECE }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: bos.text, type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
      ],
      pair: [
        { SpecialToken: { id: bos.text, type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { Sequence: { id: "B", type_id: 1 } },
      ],
      special_tokens: { [bos.text]: { id: bos.text, ids: [bos.id], tokens: [bos.text] } },
    },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges: merges.map((merge) => merge.join(" ")),
    },
  };
}

/**
 * Tokens any sequence of which is what its text is cut into. For byte pairs that holds when it holds for all sequences of two. Those
 * that end a word come first, so that most of the text has spaces where it should.
 */
function canonicalTokens(learned: readonly string[], merges: readonly Merge[]): string[] {
  const tokenizer = new Tokenizer(tokenizerJson(merges, [...BYTE_CHARACTERS, ...learned]), {});
  const texts = new Map(learned.map((token) => [token, textOf(token)]));
  const isCut = (...tokens: string[]) =>
    tokenizer.tokenize(tokens.map((token) => texts.get(token)).join("")).join(" ") ===
    tokens.join(" ");
  const rank = (token: string) =>
    /^[A-Za-z]+Ġ$/.test(token) ? 0 : /^[A-Za-z]+$/.test(token) ? 1 : 2;
  const longestFirst = learned.toSorted(
    (a, b) => rank(a) - rank(b) || b.length - a.length || (a < b ? -1 : 1),
  );
  const chosen: string[] = [];
  for (const token of longestFirst) {
    const fits = (other: string) => isCut(token, other) && isCut(other, token);
    if (isCut(token) && fits(token) && chosen.every(fits)) chosen.push(token);
  }
  return chosen;
}

function textOf(token: string): string {
  const bytes = Array.from(token, (character) => BYTE_CHARACTERS.indexOf(character));
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
