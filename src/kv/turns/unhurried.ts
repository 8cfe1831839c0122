import type { Clock, Scheduler } from "../../clock.ts";
import type { SplitText } from "../text/special-strings.ts";
import type { SequenceChain } from "./token-sequence.ts";

/** As many ids are hashed between two looks at the clock: a fraction of a millisecond's worth. */
export const IDS_AT_ONCE = 1_024;
const BYTES_AT_ONCE = 4 * IDS_AT_ONCE;
/** After as long the event loop is everybody's: on a busy machine that is fewer ids. */
export const SLICE_MS = 1;

/** Hashes ids in slices, between which the event loop is everybody's: a prompt of a million tokens takes a quarter of a second. */
export async function appendUnhurried(
  chain: SequenceChain,
  ids: ArrayLike<number>,
  clock: Clock & Scheduler,
): Promise<void> {
  await inSlices({ length: ids.length, atOnce: IDS_AT_ONCE, clock }, (from, to) =>
    chain.append(sliceOf(ids, from, to)),
  );
}

/** The same of a text. */
export async function appendTextUnhurried(
  chain: SequenceChain,
  { bytes }: Pick<SplitText, "bytes">,
  clock: Clock & Scheduler,
): Promise<void> {
  await inSlices({ length: bytes.length, atOnce: BYTES_AT_ONCE, clock }, (from, to) =>
    chain.appendText(bytes.subarray(from, to)),
  );
}

interface Slices {
  readonly length: number;
  readonly atOnce: number;
  readonly clock: Clock & Scheduler;
}

async function inSlices(
  { length, atOnce, clock }: Slices,
  append: (from: number, to: number) => void,
): Promise<void> {
  let startMs = clock.now();
  for (let from = 0; from < length; from += atOnce) {
    if (from > 0 && clock.now() - startMs >= SLICE_MS) {
      await rest(clock);
      startMs = clock.now();
    }
    append(from, from + atOnce);
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
