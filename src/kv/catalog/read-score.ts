/**
 * How much a file is worth keeping, as one number that only a read changes: the sum over its reads of 2^(time of the read /
 * half-life), as its logarithm. All scores lose half of their worth in a half-life, together, so what was ordered by them once
 * stays in order, and an index needs no work by time alone. (Counting down from the present would mean to rewrite all of it.)
 */
import { bookedBytesOf, type StoredFile } from "../records.ts";

/** A read counts half after an hour: about what passes between two turns of somebody who thinks in between. */
export const READ_HALF_LIFE_MS = 3_600_000;

/** Of one binary order of magnitude: fine enough for one read on top of a hundred thousand. */
const UNIT = 2 ** 20;
/** More binary orders than a file has bytes, so that what is left per byte is not negative. */
const BYTES_ORDERS = 64;

/** One read more; 0 is the score of nothing. */
export function addRead(score: number, nowMs: number): number {
  const read = Math.round((nowMs / READ_HALF_LIFE_MS) * UNIT);
  if (score === 0) return read;
  const [less, most] = score < read ? [score, read] : [read, score];
  return most + Math.round(Math.log2(1 + 2 ** ((less - most) / UNIT)) * UNIT);
}

/** Of the bytes that go when the file goes. */
export function readsPerByte(file: StoredFile): number {
  const orders = BYTES_ORDERS - Math.log2(Math.max(1, bookedBytesOf(file)));
  return file.readScore + Math.round(orders * UNIT);
}
