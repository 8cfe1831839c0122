/**
 * Counters that cost the hot path one map lookup and one addition, and no allocation. prom-client's own build and hash a
 * label object at each call, so it is given the totals when somebody scrapes.
 *
 * Label values come from code or configuration, never from a client; the limits here hold even where a caller breaks that.
 */

/** Values beyond the limit count here, so that a label can never grow without bound. */
const OVERFLOW = "other";

/** Counts by the values of one label. */
export class Tally {
  readonly #limit: number;
  readonly #indexes = new Map<string, number>();
  /** One more than the limit: the last is the overflow's. */
  readonly #counts: Float64Array;

  /** `known` values are shown from the start, at 0, so that a rate over the first event is right. */
  constructor(known: readonly string[] = [], limit = 128) {
    this.#limit = Math.max(limit, known.length);
    this.#counts = new Float64Array(this.#limit + 1);
    for (const value of known) this.#indexOf(value);
  }

  add(value: string): void {
    const index = this.#indexes.get(value) ?? this.#indexOf(value);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
  }

  *entries(): Generator<readonly [value: string, count: number]> {
    for (const [value, index] of this.#indexes) yield [value, this.#counts[index] ?? 0];
    const overflow = this.#counts[this.#limit] ?? 0;
    if (overflow > 0) yield [OVERFLOW, overflow];
  }

  #indexOf(value: string): number {
    const index = this.#indexes.size;
    if (index >= this.#limit) return this.#limit;
    this.#indexes.set(value, index);
    return index;
  }
}
