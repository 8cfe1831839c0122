/** Bytes with some of them replaced: views of the old ones where that is cheap, and one copy where it is not. */

/** Replaces the bytes from `start` to before `end`, which may be none. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  /** Undefined: nothing comes in their place. */
  readonly bytes?: Uint8Array | undefined;
}

/** A view costs as much as copying some hundred bytes. */
const VIEW_BYTES = 256;
const PIECES_LIMIT = 64;

/**
 * Piece after piece. The edits may be in any order. Where two begin at one place, the empty one comes first; one inside of another is of
 * no effect, and of two of the same bytes the first has it.
 */
export function splice(source: Uint8Array, edits: readonly Edit[]): readonly Uint8Array[] {
  const ordered = isOrdered(edits) ? edits : edits.toSorted(compareEdits);
  if (ordered.length > PIECES_LIMIT) return [rewritten(source, ordered)];
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, bytes } of ordered) {
    if (start < at) continue;
    if (start > at) pieces.push(source.subarray(at, start));
    if (bytes !== undefined) pieces.push(bytes);
    at = end;
  }
  if (at < source.length) pieces.push(source.subarray(at));
  return pieces.length > PIECES_LIMIT ? [joined(pieces)] : pieces;
}

function compareEdits(a: Edit, b: Edit): number {
  return a.start - b.start || a.end - b.end;
}

/** As scans find them. A hundred thousand take long to sort. */
function isOrdered(edits: readonly Edit[]): boolean {
  let before: Edit | undefined;
  for (const edit of edits) {
    if (before !== undefined && compareEdits(before, edit) > 0) return false;
    before = edit;
  }
  return true;
}

/** In one copy, with no view for each piece: of many edits, that is most of the work. */
function rewritten(source: Uint8Array, ordered: readonly Edit[]): Uint8Array {
  const longer = ordered.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0);
  const target = new Uint8Array(source.length + longer);
  let [from, to] = [0, 0];
  for (const { start, end, bytes } of ordered) {
    if (start < from) continue;
    to = copy({ source, from, until: start }, target, to);
    if (bytes !== undefined) to = copy({ source: bytes, from: 0, until: bytes.length }, target, to);
    from = end;
  }
  return target.subarray(0, copy({ source, from, until: source.length }, target, to));
}

interface Stretch {
  readonly source: Uint8Array;
  readonly from: number;
  readonly until: number;
}

/** Returns where it ends. */
function copy({ source, from, until }: Stretch, target: Uint8Array, to: number): number {
  const length = until - from;
  if (length > VIEW_BYTES) target.set(source.subarray(from, until), to);
  else for (let i = 0; i < length; i++) target[to + i] = source[from + i] ?? 0;
  return to + length;
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
