/**
 * How many of a prompt's first tokens another prompt shares with it, where nobody but the engine tokenises: it says how many tokens
 * the whole prompt has, N, and nothing of where they are. Two ends of a text can be told all the same.
 *
 * - **Its last special string.** What stands behind that is at most as many tokens as it has bytes. So at least N less those, less
 *   the string itself, stand before it: and they are the first tokens of every prompt that is the same up to there and goes on with a
 *   special string.
 * - **All of it.** A prompt that begins with it and goes on with a special string has all of its tokens.
 *
 * An answer has no end: its KV is of sampled ids, which a prompt may spell otherwise.
 */
import type { SplitText } from "./special-strings.ts";

export interface TextEnd {
  /** Bytes of the text. */
  readonly at: number;
  /** Of the prompt, from the first: all of them stand before `at`, or are put before the text by the engine. */
  readonly tokens: number;
}

/** Most tokens that are put behind a text, which are among the N: the end of sequence, where a tokenizer adds one. */
const APPENDED = 1;

/** That a tokenizer may make of a section beside its bytes: a space in front. */
const IN_FRONT = 1;

/** A longer tail is seldom shorter in bytes than all before it is in tokens, and takes long to judge. */
const TAIL_LIMIT = 64 * 1024;

/** From left to right, none that has no tokens. The later one has no fewer tokens. */
export function textEnds(text: SplitText, promptTokens: number): TextEnd[] {
  const { bytes, splits, tailStart } = text;
  const all = promptTokens - APPENDED;
  const ends: TextEnd[] = [];
  const split = splits.at(-1);
  if (split !== undefined && bytes.length - tailStart <= TAIL_LIMIT) {
    ends.push({ at: split, tokens: all - 1 - mostTokens(bytes.subarray(tailStart)) });
  }
  ends.push({ at: bytes.length, tokens: all });
  return ends.filter(({ tokens }) => tokens > 0);
}

/** Tokenizers may bring a text to a normal form or to lower case first, by which it may become longer. */
function mostTokens(tail: Uint8Array): number {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(tail);
  const longest = ["NFC", "NFD", "NFKC", "NFKD"]
    .map((form) => text.normalize(form))
    .flatMap((normal) => [normal, normal.toLowerCase()])
    .map((each) => Buffer.byteLength(each))
    .reduce((most, length) => Math.max(most, length), tail.length);
  return longest + IN_FRONT;
}

/** One of the segments that a written one is cut into. */
export interface TextCut extends TextEnd {
  /** Of the segment; `tokens` is where it ends. */
  readonly tokenLength: number;
}

export interface WrittenTokens {
  readonly tokenStart: number;
  readonly tokenLength: number;
}

/** Whole pages of what was written, each up to one of the ends; what is behind the last belongs to no text. From left to right. */
export function textCuts(
  ends: readonly TextEnd[],
  { tokenStart, tokenLength }: WrittenTokens,
  pageSize: number,
): TextCut[] {
  const cuts: TextCut[] = [];
  let from = tokenStart;
  for (const { at, tokens } of ends) {
    const within = Math.min(tokens, tokenStart + tokenLength);
    const until = within - (within % pageSize);
    if (until <= from) continue;
    cuts.push({ at, tokens: until, tokenLength: until - from });
    from = until;
  }
  return cuts;
}
