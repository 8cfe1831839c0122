/**
 * Bytes on their way out, in order, of which the latest may still be taken back. A position counts the bytes that were kept since
 * the beginning and not cut. What leaves is views of the lent chunk where that does; only what stays from one chunk to the next is
 * copied, so the holder of a position decides how much memory that is.
 */

const NOTHING: Uint8Array = new Uint8Array(0);

export class Outlet {
  /** What earlier chunks left here: the bytes from position `#base` on, `#carried` of them. */
  #carry = NOTHING;
  #carried = 0;
  #base = 0;
  #chunk: Uint8Array = NOTHING;
  /** Of the chunk, behind the carried bytes: start and end by turns. */
  #ranges: number[] = [];
  #position = 0;

  /** Behind the last byte that was kept. */
  get position(): number {
    return this.#position;
  }

  /** Each chunk is followed by `take` before the next one comes. */
  lend(chunk: Uint8Array): void {
    this.#chunk = chunk;
  }

  /** These bytes of the lent chunk go out, in the order of the calls. */
  keep(from: number, to: number): void {
    if (from === to) return;
    this.#position += to - from;
    if (this.#ranges.at(-1) === from) this.#ranges[this.#ranges.length - 1] = to;
    else this.#ranges.push(from, to);
  }

  /** Takes back everything from `position` on, which has not left yet. */
  cut(position: number): void {
    let excess = this.#position - position;
    this.#position = position;
    while (excess > 0 && this.#ranges.length > 0) {
      const to = this.#ranges.pop() ?? 0;
      const from = this.#ranges.pop() ?? 0;
      if (to - from > excess) this.#ranges.push(from, to - excess);
      excess -= Math.min(excess, to - from);
    }
    this.#carried -= excess;
  }

  /** What is before `until` leaves; may be a view of the lent chunk, which is given back. */
  take(until: number = this.#position): Uint8Array {
    const pieces = this.#pieces();
    if (until <= this.#base) {
      for (const piece of pieces) this.#store(piece);
      return NOTHING;
    }
    const gone: Uint8Array[] = [];
    const carry = this.#carry.subarray(0, this.#carried);
    this.#carry = NOTHING;
    this.#carried = 0;
    for (const piece of [carry, ...pieces]) {
      const left = Math.max(0, Math.min(piece.length, until - this.#base));
      if (left > 0) gone.push(piece.subarray(0, left));
      if (left < piece.length) this.#store(piece.subarray(left));
      this.#base += left;
    }
    return joined(gone);
  }

  /** The ranges as views, for the last time. */
  #pieces(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < this.#ranges.length; i += 2) {
      pieces.push(this.#chunk.subarray(this.#ranges[i], this.#ranges[i + 1]));
    }
    this.#ranges = [];
    this.#chunk = NOTHING;
    return pieces;
  }

  /** Doubles, so that many small chunks cost no more than one. */
  #store(piece: Uint8Array): void {
    const size = this.#carried + piece.length;
    if (size > this.#carry.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#carry.length));
      larger.set(this.#carry.subarray(0, this.#carried));
      this.#carry = larger;
    }
    this.#carry.set(piece, this.#carried);
    this.#carried = size;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first = NOTHING] = pieces;
  if (pieces.length < 2) return first;
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
