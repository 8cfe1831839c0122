/** Bytes with some of them replaced: as views of the old ones where that is cheap, and as one copy where it is not. */
import type { Slices } from "./slices.ts";

/** Replaces the bytes from `start` to before `end`, which may be none. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  /** Undefined: nothing comes in their place. */
  readonly bytes?: Uint8Array | undefined;
}

/**
 * Piece after piece, of a few edits, which may be in any order. Where two begin at one place, the empty one comes first; one inside of
 * another is of no effect, and of two of the same bytes the first has it.
 */
export function splice(source: Uint8Array, edits: readonly Edit[]): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, bytes } of edits.toSorted(compareEdits)) {
    if (start < at) continue;
    if (start > at) pieces.push(source.subarray(at, start));
    if (bytes !== undefined) pieces.push(bytes);
    at = end;
  }
  if (at < source.length) pieces.push(source.subarray(at));
  return pieces;
}

function compareEdits(a: Edit, b: Edit): number {
  return a.start - b.start || a.end - b.end;
}

/** Of one slice, whichever is reached first: a millisecond or two. */
const EDITS_AT_ONCE = 8_192;
const BYTES_AT_ONCE = 1024 * 1024;

/**
 * In one copy, of any number of edits, which are in the order of `splice`, and of which none puts more bytes than it takes. Of many,
 * a view for each piece would be most of the work.
 */
export function* rewriteInSlices(source: Uint8Array, ordered: readonly Edit[]): Slices<Uint8Array> {
  const rewriting = new Rewriting(source, ordered);
  while (!rewriting.run()) yield;
  return rewriting.written;
}

class Rewriting {
  readonly #source: Uint8Array;
  readonly #ordered: readonly Edit[];
  readonly #target: Uint8Array;
  /** Of the edits. */
  #next = 0;
  /** Of the source, behind what was copied or replaced. */
  #from = 0;
  #to = 0;

  constructor(source: Uint8Array, ordered: readonly Edit[]) {
    this.#source = source;
    this.#ordered = ordered;
    this.#target = new Uint8Array(source.length);
  }

  get written(): Uint8Array {
    return this.#target.subarray(0, this.#to);
  }

  /** One slice. True when that was the last one. */
  run(): boolean {
    const untilEdit = Math.min(this.#next + EDITS_AT_ONCE, this.#ordered.length);
    const untilByte = this.#from + BYTES_AT_ONCE;
    while (this.#next < untilEdit) {
      const edit = this.#ordered[this.#next] as Edit;
      if (!this.#copyTo(Math.max(edit.start, this.#from), untilByte)) return false;
      this.#next++;
      if (edit.start < this.#from) continue;
      if (edit.bytes !== undefined) this.#append(edit.bytes, 0, edit.bytes.length);
      this.#from = edit.end;
    }
    if (this.#next < this.#ordered.length) return false;
    return this.#copyTo(this.#source.length, untilByte);
  }

  /** False where the slice is over before. */
  #copyTo(until: number, most: number): boolean {
    const end = Math.min(until, Math.max(most, this.#from));
    this.#append(this.#source, this.#from, end);
    this.#from = end;
    return end === until;
  }

  #append(bytes: Uint8Array, from: number, until: number): void {
    const [target, to] = [this.#target, this.#to];
    const length = until - from;
    if (length > VIEW_BYTES) target.set(bytes.subarray(from, until), to);
    else for (let i = 0; i < length; i++) target[to + i] = bytes[from + i] ?? 0;
    this.#to = to + length;
  }
}

/** A view costs as much as copying some hundred bytes. */
const VIEW_BYTES = 256;

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
