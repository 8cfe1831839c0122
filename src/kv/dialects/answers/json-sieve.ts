/**
 * One JSON text that passes in pieces, cut anywhere: members are taken out, values are read on the way, and every other byte goes on
 * as it came. What lies on a wanted path is held to the grammar; of everything else only the brackets and the strings are followed,
 * to see where it ends, so that depth costs nothing, and an engine's `NaN` is nobody's loss.
 *
 * A member that is removed goes with the white space around it and with one comma. So a comma, and what is behind it up to the
 * next key's colon, is held until that key is known: a few bytes, as a key that is longer than any wanted one goes on at once, and
 * of white space before a key no more than `SPACE_LIMIT_BYTES` are kept.
 *
 * From where a text is no JSON, it goes on as it is, together with what was held.
 */
import { pathNode, type PathNode } from "../../../json/json-paths.ts";
import { QUOTE } from "../../../json/json-tokens.ts";
import type { Captures } from "./captures.ts";
import type { Outlet } from "./outlet.ts";
import { RestWorth } from "./rest-worth.ts";
import { KeyReader, type SievePlan } from "./sieve-plan.ts";
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  isSpace,
  NONE,
  OPEN_OBJECT,
  ValueEnd,
} from "./value-end.ts";

/** Of white space between a brace or a comma and the next member; more than that is left out. */
export const SPACE_LIMIT_BYTES = 1024;
/** What can be held of one text, lines of a stream between its own bytes included. */
const HELD_LIMIT_BYTES = 8192;

const NEWLINE: Uint8Array = Uint8Array.of(0x0a);

type State =
  | "start"
  | "first_key" // or the end of an empty object
  | "next_key"
  | "key"
  | "colon"
  | "value"
  | "passing" // in a value whose end alone matters
  | "separator" // a comma or the end of the object
  | "end"
  | "broken";

/** An open object on a wanted path. */
interface Frame {
  readonly node: PathNode;
  /** Position in the outlet before the present member with its comma. */
  mark: number;
  hasKept: boolean;
  hasLost: boolean;
}

/** Stands for members off every wanted path. */
const OTHER = pathNode("");

export interface SieveParts {
  readonly plan: SievePlan;
  readonly out: Outlet;
  readonly captures: Captures;
}

export class JsonSieve {
  readonly #plan: SievePlan;
  readonly #out: Outlet;
  readonly #captures: Captures;
  readonly #key: KeyReader;
  #chunk: Uint8Array = NEWLINE;
  #end = 0;
  #state: State = "start";
  /** Of the value or the key that passes by. */
  readonly #value = new ValueEnd();
  /** Outermost first; not deeper than the longest path. */
  readonly #frames: Frame[] = [];
  /** What the present member is to the plan. */
  #member = OTHER;
  /** A member of the object at this depth is being left out, and everything with it. */
  #lostAt = NONE;
  #heldFrom = NONE;
  #hasLost = false;
  #hasLostReport = false;
  readonly #rest: RestWorth;

  constructor({ plan, out, captures }: SieveParts) {
    this.#plan = plan;
    this.#rest = new RestWorth(plan);
    this.#out = out;
    this.#captures = captures;
    this.#key = new KeyReader(plan.keyLimit);
  }

  /** The position in the outlet from where on bytes may still be taken back. */
  get heldFrom(): number | undefined {
    return this.#heldFrom === NONE ? undefined : this.#heldFrom;
  }

  /** An object from its first to its last brace, and nothing behind it. */
  get isWhole(): boolean {
    return this.#state === "end";
  }

  /** Nothing of use is left that anybody would have without us, as far as the text goes. */
  get mayBeLeftOut(): boolean {
    return this.#rest.worth !== "some" && this.#state !== "broken";
  }

  /** Whole, and left out as a whole: what is left in it is there for what was taken out. */
  get isLeftOut(): boolean {
    if (!this.isWhole || !this.#hasLost) return false;
    const { worth } = this.#rest;
    return worth === "none" || (worth === "blank" && this.#hasLostReport);
  }

  /** Another text begins. */
  begin(): void {
    this.#state = "start";
    this.#frames.length = 0;
    this.#lostAt = NONE;
    this.#heldFrom = NONE;
    this.#hasLost = false;
    this.#hasLostReport = false;
    this.#rest.begin();
  }

  /** The next bytes of the text: those of `chunk`, which is lent to the outlet, from `from` to `to`. */
  push(chunk: Uint8Array, from: number, to: number): void {
    this.limitHeld();
    this.#chunk = chunk;
    this.#end = to;
    let at = from;
    while (at < to) at = this.#step(at);
  }

  /** A line end between two pieces of the text, which the outlet has in whatever form already. */
  newline(): void {
    this.limitHeld();
    const isInValue = this.#state === "key" || this.#state === "passing";
    if (isInValue && this.#value.isInString) this.#break(0);
    else if (isInValue && this.#value.isScalar) this.#endValue();
    else this.#captures.add(NEWLINE, 0, 1);
  }

  /** Gives the text up where too much was kept behind what is held: called when bytes of others were. */
  limitHeld(): void {
    const isHeld = this.#heldFrom !== NONE;
    if (isHeld && this.#out.position - this.#heldFrom > HELD_LIMIT_BYTES) this.#break(0);
  }

  /** Takes bytes from `at` on and returns the offset behind them; `at` itself where only the state has changed. */
  #step(at: number): number {
    switch (this.#state) {
      case "broken":
        return this.#pass(at, this.#end);
      case "key":
        return this.#readKey(at);
      case "passing":
        return this.#passBy(at);
      default:
        return this.#readStructure(at);
    }
  }

  #readStructure(at: number): number {
    let next = at;
    while (next < this.#end && isSpace(this.#chunk[next])) next++;
    if (next > at) return this.#space(at, next);
    const byte = this.#chunk[at] ?? 0;
    switch (this.#state) {
      case "start":
        return byte === OPEN_OBJECT ? this.#enter(at, this.#plan.root) : this.#break(at);
      case "first_key":
        return byte === CLOSE_OBJECT ? this.#leave(at) : this.#openKey(at, byte);
      case "next_key":
        return this.#openKey(at, byte);
      case "colon":
        return byte === COLON ? this.#decide(at) : this.#break(at);
      case "value":
        return this.#openValue(at, byte);
      case "separator":
        return this.#separate(at, byte);
      default:
        return this.#break(at);
    }
  }

  #space(from: number, to: number): number {
    const held = this.#heldFrom === NONE ? 0 : this.#out.position - this.#heldFrom;
    const room = Math.max(0, SPACE_LIMIT_BYTES - held);
    const kept = this.#heldFrom === NONE ? to : Math.min(to, from + room);
    this.#pass(from, kept);
    return to;
  }

  #enter(at: number, node: PathNode): number {
    if (this.#frames.length === 0) this.#captures.begin();
    this.#pass(at, at + 1);
    this.#frames.push({ node, mark: 0, hasKept: false, hasLost: false });
    this.#hold();
    this.#state = "first_key";
    return at + 1;
  }

  #openKey(at: number, byte: number): number {
    if (byte !== QUOTE) return this.#break(at);
    this.#key.begin();
    this.#value.beginString();
    this.#state = "key";
    return this.#pass(at, at + 1);
  }

  #readKey(at: number): number {
    const end = this.#value.find(this.#chunk, at, this.#end);
    const next = end === NONE ? this.#end : end;
    this.#pass(at, next);
    const isShort = this.#key.add(this.#chunk, at, next);
    if (!isShort) this.#keep();
    if (end !== NONE) {
      const frame = this.#frames.at(-1);
      this.#member = (frame && isShort ? this.#key.match(frame.node) : undefined) ?? OTHER;
      this.#state = "colon";
    }
    return next;
  }

  /** Whether the member stays, now that it is known to be one; an object that may lose all it has is still held. */
  #decide(at: number): number {
    this.#pass(at, at + 1);
    this.#state = "value";
    if (this.#lostAt === NONE) {
      if (this.#plan.isRemoved(this.#member)) this.#lose();
      else if (!this.#plan.holdsRemoved(this.#member)) this.#keep();
    }
    return at + 1;
  }

  #openValue(at: number, byte: number): number {
    if (byte === COMMA || byte === COLON || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      return this.#break(at);
    }
    const isEntered = byte === OPEN_OBJECT && this.#member.children.length > 0;
    if (isEntered && this.#heldFrom !== NONE) return this.#enter(at, this.#member);
    this.#keep();
    if (this.#lostAt === NONE) this.#rest.open(this.#member, byte, this.#frames.length);
    if (isEntered) return this.#enter(at, this.#member);
    const field = this.#plan.fieldOf(this.#member);
    if (field !== undefined) this.#captures.open(field);
    this.#value.begin();
    this.#state = "passing";
    return at;
  }

  #passBy(at: number): number {
    const end = this.#value.find(this.#chunk, at, this.#end);
    const next = this.#passValue(at, end === NONE ? this.#end : end);
    if (end !== NONE) this.#endValue();
    return next;
  }

  #endValue(): void {
    this.#captures.close();
    this.#rest.close();
    this.#state = "separator";
  }

  #separate(at: number, byte: number): number {
    if (byte !== COMMA && byte !== CLOSE_OBJECT) return this.#break(at);
    if (this.#lostAt === this.#frames.length) this.#lostAt = NONE;
    if (byte === CLOSE_OBJECT) return this.#leave(at);
    this.#hold();
    if (this.#frames.at(-1)?.hasKept === true) this.#pass(at, at + 1);
    this.#state = "next_key";
    return at + 1;
  }

  #leave(at: number): number {
    this.#pass(at, at + 1);
    const left = this.#frames.pop();
    this.#state = this.#frames.length === 0 ? "end" : "separator";
    if (this.#lostAt !== NONE) return at + 1;
    const isEmptied = left?.hasLost === true && !left.hasKept;
    if (isEmptied && this.#state !== "end") this.#lose();
    else this.#keep();
    return at + 1;
  }

  /** The member that begins here may yet be removed. */
  #hold(): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined || this.#lostAt !== NONE || !this.#plan.removesAny) return;
    frame.mark = this.#out.position;
    if (this.#heldFrom === NONE) this.#heldFrom = frame.mark;
  }

  /** The present member stays; the objects that it is in stay when they end. */
  #keep(): void {
    if (this.#lostAt !== NONE) return;
    const frame = this.#frames.at(-1);
    if (frame !== undefined) frame.hasKept = true;
    this.#heldFrom = NONE;
  }

  #lose(): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined) return;
    this.#out.cut(frame.mark);
    if (this.#heldFrom >= frame.mark) this.#heldFrom = NONE;
    frame.hasLost = true;
    this.#hasLost = true;
    this.#hasLostReport ||= this.#plan.isReport(this.#member);
    this.#lostAt = this.#frames.length;
  }

  #break(at: number): number {
    this.#state = "broken";
    this.#heldFrom = NONE;
    this.#lostAt = NONE;
    return at;
  }

  #pass(from: number, to: number): number {
    if (this.#lostAt === NONE) this.#out.keep(from, to);
    return to;
  }

  #passValue(from: number, to: number): number {
    this.#captures.add(this.#chunk, from, to);
    this.#rest.look(this.#chunk, from, to);
    return this.#pass(from, to);
  }
}
