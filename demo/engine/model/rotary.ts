/** The angles of rotary positions, computed once for each position and kept. */
const FIRST_POSITIONS = 256;

export class Rotary {
  /** Radians that each pair of elements turns by from one position to the next. */
  readonly #speeds: readonly number[];
  /** `[position][pair][cosine, sine]`. */
  #turns = new Float64Array(0);

  constructor(headDim: number, theta: number) {
    this.#speeds = Array.from(
      { length: headDim / 2 },
      (_, pair) => theta ** ((-2 * pair) / headDim),
    );
  }

  /** Cosine and sine for each pair, one after the other. */
  at(position: number): Float64Array {
    const length = 2 * this.#speeds.length;
    if ((position + 1) * length > this.#turns.length) this.#grow(position + 1);
    return this.#turns.subarray(position * length, (position + 1) * length);
  }

  #grow(positions: number): void {
    const pairs = this.#speeds.length;
    const old = this.#turns;
    const known = old.length / (2 * pairs);
    const wanted = Math.max(positions, 2 * known, FIRST_POSITIONS);
    this.#turns = new Float64Array(2 * pairs * wanted);
    this.#turns.set(old);
    for (let position = known; position < wanted; position++) {
      for (const [pair, speed] of this.#speeds.entries()) {
        const at = 2 * (position * pairs + pair);
        this.#turns[at] = Math.cos(position * speed);
        this.#turns[at + 1] = Math.sin(position * speed);
      }
    }
  }
}
