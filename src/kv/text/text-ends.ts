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
  /** All tokens of the prompt but so many, its last ones, stand before `at`, or are put before the text by the engine. */
  readonly behind: number;
}

/** Most tokens that are put behind a text, which are among the N: the end of sequence, where a tokenizer adds one. */
const APPENDED = 1;

/** That a tokenizer may make of a section beside its bytes: a space in front. */
const IN_FRONT = 1;

/** A longer tail is seldom shorter in bytes than all before it is in tokens, and takes long to judge. */
const TAIL_LIMIT = 64 * 1024;

/** From left to right: the later one has fewer tokens behind it. */
export function textEnds({ bytes, splits, tailStart }: SplitText): TextEnd[] {
  const all = { at: bytes.length, behind: APPENDED };
  const split = splits.at(-1);
  if (split === undefined || bytes.length - tailStart > TAIL_LIMIT) return [all];
  const behind = APPENDED + 1 + mostTokens(bytes.subarray(tailStart));
  return [{ at: split, behind }, all];
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

export interface WrittenText {
  /** As the engine counted them. */
  readonly promptTokens: number;
  readonly tokenStart: number;
  readonly tokenLength: number;
}

/** One of the segments that a written one is cut into. */
export interface TextCut {
  /** Of the prompt, where it ends. */
  readonly tokens: number;
  readonly tokenLength: number;
}

/** Whole pages of what was written, each up to one of the ends; what is behind the last belongs to no text. From left to right. */
export function textCuts<End extends Pick<TextEnd, "behind">>(
  ends: readonly End[],
  { promptTokens, tokenStart, tokenLength }: WrittenText,
  pageSize: number,
): (End & TextCut)[] {
  const cuts: (End & TextCut)[] = [];
  let from = tokenStart;
  for (const end of ends) {
    const within = Math.min(promptTokens - end.behind, tokenStart + tokenLength);
    const until = within - (within % pageSize);
    if (until <= from) continue;
    cuts.push({ ...end, tokens: until, tokenLength: until - from });
    from = until;
  }
  return cuts;
}
