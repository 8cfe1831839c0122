/** The last few of a series of numbers, and where they lie. */
export const RECENT = 128;

export class RecentValues {
  readonly #values: number[] = [];
  /** Undefined when a value was added since. */
  #sorted: readonly number[] | undefined;
  #next = 0;

  get count(): number {
    return this.#values.length;
  }

  /** In place of the oldest, where there are as many as are kept. Finite. */
  add(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % RECENT;
    this.#sorted = undefined;
  }

  /** The smallest that is no less than this share, 0..1, of them. Undefined where there is none. */
  quantile(share: number): number | undefined {
    this.#sorted ??= this.#values.toSorted((left, right) => left - right);
    return this.#sorted[Math.max(0, Math.ceil(share * this.#sorted.length) - 1)];
  }
}
