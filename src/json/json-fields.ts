/**
 * String fields of a JSON body, found in one pass over its bytes. Parsing a prompt of 1 MB for the sake of one short id costs
 * milliseconds and garbage, and blocks every other exchange meanwhile; this keeps offsets only and decodes at most the
 * wanted values.
 *
 * The answer is the one that `JSON.parse` of the strictly decoded text would give: the whole text is validated, keys compare
 * decoded, and the last of several equal keys wins, together with all that is below it. The walk keeps its own stack, so
 * depth costs no call stack and has a limit.
 */
import { childOf, decodeString, pathNode, type FieldPaths, type PathNode } from "./json-paths.ts";
import {
  endOfLiteral,
  endOfNumber,
  endOfString,
  jsonText,
  QUOTE,
  skipSpace,
} from "./json-tokens.ts";
import type { JsonText } from "./json-tokens.ts";

export { compileFieldPaths, type FieldPaths } from "./json-paths.ts";

/** Arrays and objects open at once. A deeper body is unreadable. */
export const JSON_DEPTH_LIMIT = 128;
/** As written between the quotes. A longer value counts as absent: it could be no id. */
export const JSON_VALUE_LIMIT_BYTES = 4096;

export type FieldScan =
  | {
      readonly kind: "fields";
      /** Aligned with the paths; undefined where the field is missing, is no string, or is over the limit. */
      readonly values: readonly (string | undefined)[];
    }
  /** Not JSON, or too deep. `offset` is the first byte that does not fit; the body's length where it ended too early. */
  | { readonly kind: "unreadable"; readonly offset: number };

/** The fields of an object at the root; a root of another type has none. Linear in the body, whatever it holds. */
export function scanJsonFields(body: Uint8Array, paths: FieldPaths): FieldScan {
  return new JsonWalk(body, paths).run();
}

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

/** Stand for containers off every wanted path. */
const ARRAY = pathNode("array");
const OTHER_OBJECT = pathNode("object");

/** One token a step. A step returns the offset behind its token, or `~offset` of a byte that does not fit. */
class JsonWalk {
  readonly #text: JsonText;
  readonly #bytes: Uint8Array;
  /** Per field, the offset behind the opening quote of its value so far; -1 while absent. */
  readonly #starts: number[];
  /** Per field, the offset of the closing quote. */
  readonly #ends: number[];
  /** The open containers, innermost last. */
  readonly #open: PathNode[] = [];
  /** The innermost open container; meaningless while none is open. */
  #container = OTHER_OBJECT;
  /** What the next value is to the paths. */
  #node: PathNode;
  #expected: Expected = VALUE;

  constructor(body: Uint8Array, paths: FieldPaths) {
    this.#bytes = body;
    this.#text = jsonText(body);
    this.#starts = Array.from({ length: paths.count }, () => -1);
    this.#ends = Array.from({ length: paths.count }, () => -1);
    this.#node = paths.root;
  }

  run(): FieldScan {
    const bytes = this.#bytes;
    for (let at = skipSpace(bytes, 0); ; at = skipSpace(bytes, at)) {
      if (this.#expected === SEPARATOR && this.#open.length === 0) {
        if (at < bytes.length) return { kind: "unreadable", offset: at };
        return { kind: "fields", values: this.#values() };
      }
      at = this.#step(at);
      if (at < 0) return { kind: "unreadable", offset: ~at };
    }
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
    const isArray = this.#container === ARRAY;
    if (byte === (isArray ? CLOSE_ARRAY : CLOSE_OBJECT)) return this.#close(at);
    if (byte !== COMMA) return ~at;
    this.#expected = isArray ? VALUE : KEY;
    return at + 1;
  }

  #key(at: number): number {
    if (this.#bytes[at] !== QUOTE) return ~at;
    const end = endOfString(this.#text, at + 1);
    if (end < 0) return end;
    this.#node = OTHER_OBJECT;
    if (this.#container.children.length > 0) this.#meet(at + 1);
    const colon = skipSpace(this.#bytes, end);
    if (this.#bytes[colon] !== COLON) return ~colon;
    this.#expected = VALUE;
    return colon + 1;
  }

  /** A key in a container on a wanted path: the value that follows replaces what an earlier equal key held. */
  #meet(at: number): void {
    const child = childOf(this.#container, this.#text, at);
    if (child === undefined) return;
    this.#node = child;
    for (const field of child.covered) this.#starts[field] = -1;
  }

  #value(at: number): number {
    const byte = this.#bytes[at] ?? 0;
    if (byte === OPEN_OBJECT) return this.#enter(at, this.#node);
    if (byte === OPEN_ARRAY) return this.#enter(at, ARRAY);
    this.#expected = SEPARATOR;
    if (byte === QUOTE) return this.#string(at);
    const isNumber = byte === MINUS || (byte >= 0x30 && byte <= 0x39);
    return isNumber ? endOfNumber(this.#bytes, at) : endOfLiteral(this.#bytes, at);
  }

  #string(at: number): number {
    const end = endOfString(this.#text, at + 1);
    const isKept = end - at - 2 <= JSON_VALUE_LIMIT_BYTES;
    if (end > 0 && isKept) {
      for (const field of this.#node.own) {
        this.#starts[field] = at + 1;
        this.#ends[field] = end - 1;
      }
    }
    return end;
  }

  #enter(at: number, container: PathNode): number {
    if (this.#open.length === JSON_DEPTH_LIMIT) return ~at;
    this.#open.push(container);
    this.#container = container;
    this.#node = OTHER_OBJECT; // what an array holds is on no path
    this.#expected = container === ARRAY ? FIRST_VALUE : FIRST_KEY;
    return at + 1;
  }

  #close(at: number): number {
    this.#open.pop();
    this.#container = this.#open.at(-1) ?? OTHER_OBJECT;
    this.#node = OTHER_OBJECT;
    this.#expected = SEPARATOR;
    return at + 1;
  }

  #values(): (string | undefined)[] {
    return this.#starts.map((start, field) =>
      start < 0 ? undefined : decodeString(this.#bytes.subarray(start, this.#ends[field])),
    );
  }
}
