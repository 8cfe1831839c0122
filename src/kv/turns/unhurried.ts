import type { SequenceChain } from "./token-sequence.ts";

/** As many ids are hashed at a time: a millisecond's worth or two. */
export const IDS_AT_ONCE = 8_192;

/** Hashes ids in slices, between which the event loop is everybody's: a prompt of a million tokens takes a quarter of a second. */
export async function appendUnhurried(
  chain: SequenceChain,
  ids: ArrayLike<number>,
  rest: () => Promise<void>,
): Promise<void> {
  for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
    if (from > 0) await rest();
    chain.append(Array.prototype.slice.call(ids, from, from + IDS_AT_ONCE));
  }
}
