/** How many copies of a segment there are to be, by how often it is read. Pure. */

export interface CopyRules {
  /** >= 1. */
  readonly min: number;
  /** >= `min`. */
  readonly max: number;
  /** That one copy is for; > 0. */
  readonly readsPerSecondPerCopy: number;
}

/**
 * One more for each `readsPerSecondPerCopy` that is exceeded. One that is there stays down to half of the rate that would have made
 * it, so that a rate around either threshold changes nothing twice.
 */
export function targetCopies(readsPerSecond: number, copies: number, rules: CopyRules): number {
  const { min, max, readsPerSecondPerCopy } = rules;
  const enough = readsPerSecond / readsPerSecondPerCopy;
  const least = Math.ceil(enough);
  const most = Math.floor(2 * enough) + 1;
  return clamp(clamp(copies, least, most), min, max);
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
