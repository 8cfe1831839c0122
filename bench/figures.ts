/** From measurements to the figures that are reported. */

/** Of an even number the lower one of the middle two. */
export function medianOf(values: readonly number[]): number {
  return percentileOf(values, 0.5);
}

/** The smallest value that is at least as large as this share of them. */
export function percentileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function toFourDigits(value: number): number {
  return Number(value.toPrecision(4));
}
