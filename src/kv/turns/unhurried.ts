import type { Clock, Scheduler } from "../../clock.ts";
import type { SequenceChain } from "./token-sequence.ts";

/** As many ids are hashed between two looks at the clock: a fraction of a millisecond's worth. */
export const IDS_AT_ONCE = 1_024;
/** After as long the event loop is everybody's: on a busy machine that is fewer ids. */
export const SLICE_MS = 1;

/** Hashes ids in slices, between which the event loop is everybody's: a prompt of a million tokens takes a quarter of a second. */
export async function appendUnhurried(
  chain: SequenceChain,
  ids: ArrayLike<number>,
  clock: Clock & Scheduler,
): Promise<void> {
  let startMs = clock.now();
  for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
    if (from > 0 && clock.now() - startMs >= SLICE_MS) {
      await rest(clock);
      startMs = clock.now();
    }
    chain.append(sliceOf(ids, from, from + IDS_AT_ONCE));
  }
}

/** Until everybody else has had the event loop. */
export function rest(scheduler: Scheduler): Promise<void> {
  return new Promise((resolve) => void scheduler.after(0, resolve));
}

/** Of ids in an array of their own type a view. */
function sliceOf(ids: ArrayLike<number>, from: number, to: number): ArrayLike<number> {
  return ids instanceof Uint32Array
    ? ids.subarray(from, to)
    : Array.prototype.slice.call(ids, from, to);
}
