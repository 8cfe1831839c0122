/**
 * Finds the strings at which every tokenizer run of a model splits: special tokens, as they are written in a text. Tokens never reach
 * over one, so what stands before it has the same tokens whatever comes behind.
 *
 * They are found from the left, the longest at a place, as tokenizers do. So one that begins here in this text does so in every text
 * that is the same before it and has one here.
 *
 * One before a combining mark counts as plain text: a tokenizer that brings a text to a normal form before it looks for the string
 * would not find it, since its last character and the mark may be one then.
 */

/** A text, and where it may be cut. */
export interface SplitText {
  /** UTF-8. */
  readonly bytes: Uint8Array;
  /** The bytes before each special string that counts, from left to right. */
  readonly splits: readonly number[];
  /** Where the last of these strings ends; 0 without any. */
  readonly tailStart: number;
  /** All strings that were looked for, as one: the same for the same ones. */
  readonly specialTokens: string;
}

/** Special strings of one text. What is behind them counts as plain text, which finds less again and nothing wrong. */
export const SPLITS_LIMIT = 65_536;

/** What is looked at before the event loop is everybody's again, whichever comes first: about a millisecond's worth. */
const SCAN_BYTES = 128 * 1024;
const FOUND_AT_ONCE = 1_024;

const utf8 = new TextEncoder();
const utf8Text = new TextDecoder();

export class SpecialStrings {
  /** Over bytes, each as a character: in UTF-8 no string is found within a character. */
  readonly #pattern: RegExp;
  readonly #longest: number;
  readonly #specialTokens: string;

  /** At least one, none of them empty. */
  constructor(strings: readonly string[]) {
    const longestFirst = strings
      .map((text) => utf8.encode(text))
      .toSorted((a, b) => b.length - a.length);
    this.#specialTokens = JSON.stringify(strings.toSorted());
    this.#longest = longestFirst[0]?.length ?? 0;
    this.#pattern = new RegExp(longestFirst.map(literal).join("|"), "g");
  }

  /** `rest` resolves once the event loop has been everybody's. Of half a surrogate pair nobody knows the bytes: undefined. */
  async split(text: string, rest: () => Promise<void>): Promise<SplitText | undefined> {
    if (!text.isWellFormed()) return undefined;
    const bytes = utf8.encode(text);
    const splits: number[] = [];
    let [tailStart, found] = [0, 0];
    for (let from = 0; from < bytes.length && found < SPLITS_LIMIT;) {
      if (from > 0) await rest();
      const until = from + SCAN_BYTES;
      const most = Math.min(found + FOUND_AT_ONCE, SPLITS_LIMIT);
      let next = until;
      for (const [start, end] of this.#found(bytes, from)) {
        if (start >= until) break;
        next = ++found === most ? end : Math.max(until, end);
        if (!isMarked(bytes, end)) {
          splits.push(start);
          tailStart = end;
        }
        if (found === most) break;
      }
      from = next;
    }
    return { bytes, splits, tailStart, specialTokens: this.#specialTokens };
  }

  /** Those that begin before `SCAN_BYTES` are over, and more perhaps. */
  *#found(bytes: Uint8Array, from: number): Generator<readonly [start: number, end: number]> {
    const scanned = bytes.subarray(from, from + SCAN_BYTES + this.#longest);
    const slice = Buffer.from(scanned.buffer, scanned.byteOffset, scanned.length).toString(
      "latin1",
    );
    for (const match of slice.matchAll(this.#pattern)) {
      const start = from + match.index;
      yield [start, start + match[0].length];
    }
  }
}

const MARK = /^\p{M}/u;
const LONGEST_CHARACTER = 4;

/** Whether a combining mark begins there. None is in ASCII. */
function isMarked(bytes: Uint8Array, at: number): boolean {
  if ((bytes[at] ?? 0) < 0x80) return false;
  return MARK.test(utf8Text.decode(bytes.subarray(at, at + LONGEST_CHARACTER)));
}

function literal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.raw`\x${byte.toString(16).padStart(2, "0")}`).join("");
}
