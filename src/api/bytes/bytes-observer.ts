/** What is told of bodies, for metrics and for whoever looks after segments. Called on the data path: nothing may throw. */
import type { LocationFault } from "../../kv/location.ts";
import type { Segment } from "../../kv/records.ts";
import type { NotWhole } from "../../kv/verify/segment-verifier.ts";
import type { CutReason } from "./body-watch.ts";

/** `fault`: the location failed, or a bug of ours; `refused`: too much was in flight. */
export type ServedResult = "complete" | "refused" | "fault" | CutReason;

/** `mismatch`: length or CRC-32 are not as announced; `conflict`: the segment took no bytes, or not any more. */
export type ReceivedResult = ServedResult | "mismatch" | "conflict";

export interface Transfer<Result> {
  /** Of the body; what went through, where it was cut. */
  readonly bytes: number;
  /** From the beginning of the body. */
  readonly durationMs: number;
  readonly result: Result;
}

export interface BytesObserver {
  served(transfer: Transfer<ServedResult>): void;
  received(transfer: Transfer<ReceivedResult>): void;
  /** Memory that bodies under way hold now. */
  inFlight(bytes: number): void;
  /** A durable segment could not be read. Whoever hears of it should have it verified again. */
  unreadable(segment: Segment, fault: LocationFault): void;
  /** A copy of a durable segment was not as it had been, and was not sent. A damaged one is condemned; others are to be verified again. */
  notWhole(segment: Segment, found: NotWhole): void;
  /** Nothing was sent, as no copy was as it had been. */
  unserved(): void;
}
