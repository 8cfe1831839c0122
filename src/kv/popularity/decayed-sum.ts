/**
 * Sums whose parts lose half of their weight in each half-life. One is kept as its **level**: the logarithm, to the base 2, of its
 * parts with their weights counted up from the start of the clock in place of down from now. So it changes only when something is
 * added, levels of one half-life compare as the sums do at any time, and an order by them needs no work by time alone.
 */

/** Of a sum of nothing. */
export const NO_LEVEL = -Infinity;

/** `amount` > 0. */
export function raised(level: number, amount: number, halfLives: number): number {
  const added = halfLives + Math.log2(amount);
  const [less, most] = level < added ? [level, added] : [added, level];
  return most + Math.log2(1 + 2 ** (less - most));
}

/** After so many half-lives of the clock. */
export function sumAt(level: number, halfLives: number): number {
  return 2 ** (level - halfLives);
}
