/** Bytes with some of them replaced: views of the old ones where that is cheap, and one copy where it is not. */

/** Replaces the bytes from `start` to before `end`, which may be none. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  /** Undefined: nothing comes in their place. */
  readonly bytes?: Uint8Array | undefined;
}

/** A view costs as much as copying some hundred bytes. */
const PIECES_LIMIT = 64;

/**
 * Piece after piece. The edits may be in any order. Where two begin at one place, the empty one comes first; one inside of another is of
 * no effect, and of two of the same bytes the first has it.
 */
export function splice(source: Uint8Array, edits: readonly Edit[]): readonly Uint8Array[] {
  const ordered = edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
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

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
