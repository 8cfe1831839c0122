/**
 * The grammar of RFC 8259 over UTF-8 bytes, in one pass: tells a visitor where each token of a text is, and builds nothing. As
 * strict as `JSON.parse` of strictly decoded text. The walk keeps its own stack, so depth costs no call stack and has a limit.
 */
import { endOfLiteral, endOfNumber, endOfString, QUOTE, skipSpace } from "./json-tokens.ts";
import type { JsonText } from "./json-tokens.ts";
import { atOnce, type Slices } from "./slices.ts";

/** Arrays and objects open at once. A deeper text is unreadable. */
export const JSON_DEPTH_LIMIT = 128;

/** Told of tokens in their order, also of those before the place where a text turns out to be broken. */
export interface JsonVisitor {
  /** Of the innermost open object. The bytes between the quotes are from `start` to before `end`. */
  key(start: number, end: number): void;
  /** A string with its quotes, a number, or a literal. */
  scalar(start: number, end: number): void;
  open(start: number, isArray: boolean): void;
  /** `end` is behind the bracket. */
  close(end: number): void;
}

/** The offset of the first byte that does not fit, which is the length where the text ended too early; undefined: valid. */
export function walkJson(text: JsonText, visitor: JsonVisitor): number | undefined {
  return atOnce(walkJsonInSlices(text, visitor));
}

export function* walkJsonInSlices(
  text: JsonText,
  visitor: JsonVisitor,
): Slices<number | undefined> {
  const walk = new JsonWalk(text, visitor);
  while (!walk.run()) yield;
  return walk.problem;
}

/** Tells both, the first one first. */
export function bothOf(one: JsonVisitor, other: JsonVisitor): JsonVisitor {
  return {
    key(start, end) {
      one.key(start, end);
      other.key(start, end);
    },
    scalar(start, end) {
      one.scalar(start, end);
      other.scalar(start, end);
    },
    open(start, isArray) {
      one.open(start, isArray);
      other.open(start, isArray);
    },
    close(end) {
      one.close(end);
      other.close(end);
    },
  };
}

/** Of one slice, whichever is reached first. A string is one token, however long it is. */
const TOKENS_AT_ONCE = 16_384;
const BYTES_AT_ONCE = 1024 * 1024;

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;

/** What the grammar allows next. */
const VALUE = 0;
const FIRST_VALUE = 1; // or the end of an empty array
const KEY = 2;
const FIRST_KEY = 3; // or the end of an empty object
const SEPARATOR = 4; // a comma or the end of what is open; the end of the text when nothing is
type Expected = 0 | 1 | 2 | 3 | 4;

/** One token a step. A step returns the offset behind its token, or `~offset` of a byte that does not fit. */
class JsonWalk {
  readonly #text: JsonText;
  readonly #bytes: Uint8Array;
  readonly #visitor: JsonVisitor;
  /** Which of the open containers are arrays, outermost first. */
  readonly #arrays: boolean[] = [];
  /** Of the innermost open container; meaningless while none is open. */
  #isArray = false;
  #expected: Expected = VALUE;
  /** Behind what was walked so far. */
  #at = 0;
  /** Once all is walked: as of `walkJson`. */
  problem: number | undefined = undefined;

  constructor(text: JsonText, visitor: JsonVisitor) {
    this.#text = text;
    this.#bytes = text.bytes;
    this.#visitor = visitor;
  }

  /** One slice. True when that was the last one. */
  run(): boolean {
    const bytes = this.#bytes;
    const until = this.#at + BYTES_AT_ONCE;
    let at = this.#at;
    for (let tokens = 0; tokens < TOKENS_AT_ONCE && at < until; tokens++) {
      at = skipSpace(bytes, at);
      if (this.#expected === SEPARATOR && this.#arrays.length === 0) {
        this.problem = at < bytes.length ? at : undefined;
        return true;
      }
      at = this.#step(at);
      if (at < 0) {
        this.problem = ~at;
        return true;
      }
    }
    this.#at = at;
    return false;
  }

  #step(at: number): number {
    switch (this.#expected) {
      case SEPARATOR:
        return this.#separator(at);
      case FIRST_KEY:
        return this.#bytes[at] === CLOSE_OBJECT ? this.#close(at) : this.#key(at);
      case KEY:
        return this.#key(at);
      case FIRST_VALUE:
        return this.#bytes[at] === CLOSE_ARRAY ? this.#close(at) : this.#value(at);
      case VALUE:
        return this.#value(at);
    }
  }

  #separator(at: number): number {
    const byte = this.#bytes[at];
    if (byte === (this.#isArray ? CLOSE_ARRAY : CLOSE_OBJECT)) return this.#close(at);
    if (byte !== COMMA) return ~at;
    this.#expected = this.#isArray ? VALUE : KEY;
    return at + 1;
  }

  #key(at: number): number {
    if (this.#bytes[at] !== QUOTE) return ~at;
    const end = endOfString(this.#text, at + 1);
    if (end < 0) return end;
    const colon = skipSpace(this.#bytes, end);
    if (this.#bytes[colon] !== COLON) return ~colon;
    this.#visitor.key(at + 1, end - 1);
    this.#expected = VALUE;
    return colon + 1;
  }

  #value(at: number): number {
    const byte = this.#bytes[at] ?? 0;
    if (byte === OPEN_OBJECT) return this.#enter(at, false);
    if (byte === OPEN_ARRAY) return this.#enter(at, true);
    const end = this.#endOfScalar(byte, at);
    if (end >= 0) this.#visitor.scalar(at, end);
    this.#expected = SEPARATOR;
    return end;
  }

  #endOfScalar(byte: number, at: number): number {
    if (byte === QUOTE) return endOfString(this.#text, at + 1);
    const isNumber = byte === MINUS || (byte >= 0x30 && byte <= 0x39);
    return isNumber ? endOfNumber(this.#bytes, at) : endOfLiteral(this.#bytes, at);
  }

  #enter(at: number, isArray: boolean): number {
    if (this.#arrays.length === JSON_DEPTH_LIMIT) return ~at;
    this.#arrays.push(isArray);
    this.#isArray = isArray;
    this.#expected = isArray ? FIRST_VALUE : FIRST_KEY;
    this.#visitor.open(at, isArray);
    return at + 1;
  }

  #close(at: number): number {
    this.#arrays.pop();
    this.#isArray = this.#arrays.at(-1) ?? false;
    this.#expected = SEPARATOR;
    this.#visitor.close(at + 1);
    return at + 1;
  }
}
