/** Which of a session's segments a shared prefix is made of. */
import type { Digest } from "../digest.ts";
import type { Segment } from "../records.ts";

/**
 * Whole segments from token 0, each going on from the one before it, that cover most of the first `tokens`; of two that end at the
 * same place, the fewest segments. Where an edit left the session with branches that are equally long, the one that was read last.
 */
export function coverOfFirst(segments: readonly Segment[], tokens: number): readonly Segment[] {
  const ways = new Map<string, readonly Segment[]>();
  for (const segment of segments.toSorted((a, b) => a.tokenStart - b.tokenStart)) {
    const { chain, geometry, tokenStart } = segment;
    if (chain === undefined || endOf(segment) > tokens) continue;
    const before = tokenStart === 0 ? [] : ways.get(nameOf(geometry, chain.before));
    if (before === undefined) continue;
    const end = nameOf(geometry, chain.end.leaf?.digest ?? chain.end.grid);
    const known = ways.get(end);
    if (known === undefined || before.length + 1 < known.length)
      ways.set(end, [...before, segment]);
  }
  return [...ways.values()].toSorted(byLengthThenRead)[0] ?? [];
}

/** Longest first. No way is empty. */
function byLengthThenRead(a: readonly Segment[], b: readonly Segment[]): number {
  const [one, other] = [a.at(-1), b.at(-1)];
  if (one === undefined || other === undefined) return 0;
  return endOf(other) - endOf(one) || other.lastReadAtMs - one.lastReadAtMs;
}

function endOf({ tokenStart, tokenLength }: Segment): number {
  return tokenStart + tokenLength;
}

/** Of everything up to an end: segments with equal names there agree in every token, and in what their bytes mean. */
function nameOf(geometry: Uint8Array, digest: Digest): string {
  return Buffer.concat([geometry, digest]).toString("latin1");
}
