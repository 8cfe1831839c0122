/**
 * What the rest of a text is worth to anybody, as its members pass by: an engine that is asked for something of ours has an event of
 * its own for it, which looks like any other with nothing in it.
 */
import type { PathNode } from "../../../json/json-paths.ts";
import { BACKSLASH, QUOTE } from "../../../json/json-tokens.ts";
import type { SievePlan } from "./sieve-plan.ts";
import { CLOSE_ARRAY, CLOSE_OBJECT, COMMA, isSpace, OPEN_ARRAY, OPEN_OBJECT } from "./value-end.ts";

export type Worth =
  | "none" // idle members, and members that are null or an empty list
  | "blank" // and lists of what holds only keys, numbers and nulls, where such may be
  | "some";

/** Deeper is worth something: no event that carries nothing is. */
const DEPTH_LIMIT = 8;

const LETTER_N = 0x6e;
/** Of `true`, `false`, and what engines write that is no JSON: `NaN`, `Infinity`. */
const OTHER_LITERALS: ReadonlySet<number> = new Set([0x74, 0x66, 0x4e, 0x49]);

export class RestWorth {
  readonly #plan: SievePlan;
  #worth: Worth = "none";
  /** A list passes by that may be worth nothing. */
  #isList = false;
  #mayBeBlank = false;
  /** Of the objects and lists that are open, outermost first: whether it is an object. The list itself is the first. */
  readonly #isObject: boolean[] = [];
  /** The next string is a key. */
  #isKeyNext = false;
  #isInKey = false;
  #isEscaped = false;

  constructor(plan: SievePlan) {
    this.#plan = plan;
  }

  get worth(): Worth {
    return this.#worth;
  }

  /** Another text begins. */
  begin(): void {
    this.#worth = "none";
    this.#isList = false;
  }

  /** A member stays whose value begins with this byte. `depth`: 1 for members of the root. */
  open(member: PathNode, byte: number, depth: number): void {
    if (this.#worth === "some" || this.#plan.isIdle(member)) return;
    this.#isList = depth === 1 && byte === OPEN_ARRAY;
    if (!this.#isList && (depth > 1 || byte !== LETTER_N)) this.#worth = "some";
    this.#mayBeBlank = this.#plan.mayBeBlank(member);
    this.#isObject.length = 0;
    this.#isInKey = false;
  }

  /** The next bytes of the value. */
  look(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to && this.#isList; at++) this.#lookAt(bytes[at] ?? 0);
  }

  close(): void {
    this.#isList = false;
  }

  #lookAt(byte: number): void {
    if (this.#isInKey) return this.#passKey(byte);
    if (isSpace(byte)) return;
    const depth = this.#isObject.length;
    if (depth === 1 && byte !== CLOSE_ARRAY) this.#mark(this.#mayBeBlank ? "blank" : "some");
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (depth === DEPTH_LIMIT) this.#mark("some");
      this.#isObject.push(byte === OPEN_OBJECT);
      this.#isKeyNext = byte === OPEN_OBJECT;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) this.#isObject.pop();
    else if (byte === COMMA) this.#isKeyNext = this.#isObject.at(-1) === true;
    else if (byte === QUOTE && this.#isKeyNext) this.#isInKey = true;
    else if (byte === QUOTE || OTHER_LITERALS.has(byte)) this.#mark("some");
  }

  #passKey(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === BACKSLASH) this.#isEscaped = true;
    else if (byte === QUOTE) {
      this.#isInKey = false;
      this.#isKeyNext = false;
    }
  }

  #mark(worth: Worth): void {
    this.#worth = worth;
    if (worth === "some") this.#isList = false;
  }
}
