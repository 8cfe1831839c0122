/**
 * The positions at which something stored may end on a prompt, longest first. An index entry of a grid digest lists the lengths
 * of the leaves right below it, so that only those are hashed and looked up, and not each of the positions up to the next point.
 */
import type { GridPoint } from "./chain-format.ts";
import type { Chain, ChainEnd } from "./chain.ts";

/**
 * Undefined where nothing is stored at the point; an empty list where something is, and has no leaves. In units, each from 1 to one
 * less than a step, in any order.
 */
export type LeafLengthsAt = (point: GridPoint) => readonly number[] | undefined;

/**
 * Ends of at most `limit` units, each hashed when it is asked for; the origin of the chain is not among them. A leaf may turn out
 * not to be stored: another prompt can have left its length.
 */
export function* candidateEnds(
  chain: Chain,
  limit: number,
  leafLengthsAt: LeafLengthsAt,
): Generator<ChainEnd, void, undefined> {
  const end = Math.min(limit, chain.length);
  const { points } = chain;
  for (let i = points.length - 1; i >= 0; i--) {
    const point = points[i] as GridPoint;
    if (point.at > end) continue;
    const lengths = leafLengthsAt(point);
    if (lengths === undefined) continue;
    for (const length of lengths.toSorted((a, b) => b - a)) {
      const at = point.at + length;
      if (at <= end) yield chain.endAt(at);
    }
    if (i > 0) yield point;
  }
}
