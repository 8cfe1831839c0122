/**
 * Computing in slices of a few milliseconds, between which the event loop is everybody's: one engine's health check, streams and
 * loads go on while it computes, and several engines share a machine fairly.
 */
import { setImmediate as turn } from "node:timers/promises";

const SLICE_MS = 4;
const FIRST_SLICE = 8;

/** Calls `compute` for [from, to) of `count` items, slice after slice. Throws the signal's reason between two of them. */
export async function inSlices(
  count: number,
  compute: (from: number, to: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let slice = FIRST_SLICE;
  for (let from = 0; from < count;) {
    signal.throwIfAborted();
    const to = Math.min(count, from + slice);
    const start = performance.now();
    compute(from, to);
    const tookMs = performance.now() - start;
    slice = Math.max(1, Math.min(2 * slice, Math.floor((slice * SLICE_MS) / tookMs)));
    from = to;
    await turn();
  }
}
