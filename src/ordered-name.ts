/**
 * Names that sort by when they were made and that nobody guesses. What is made together mostly ends together; in an ordered store
 * it then lies together too, on few pages.
 */
import { randomBytes } from "node:crypto";

/** 48 bits of milliseconds: until the year 10889. */
const TIME_LETTERS = 12;
const RANDOM_BYTES = 15;

/** 32 letters, digits, `_` and `-`, of which the last 20 are random. `nowMs`: of the wall clock. */
export function orderedName(nowMs: number): string {
  const time = nowMs.toString(16).padStart(TIME_LETTERS, "0");
  return time + randomBytes(RANDOM_BYTES).toString("base64url");
}
