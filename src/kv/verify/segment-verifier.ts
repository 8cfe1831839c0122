/**
 * What the turn desk asks about bytes: whether a segment that an engine reported may be listed, and whether one that is listed is
 * still whole. Types only; implemented by `two-pass-verifier.ts`, where it says what is guaranteed and what is not seen.
 */
import type { Verdict } from "../catalog.ts";
import type { Location, ObjectStat } from "../location.ts";
import type { SegmentLayout } from "../model/layout.ts";
import type { EngineInstance, Segment } from "../records.ts";

/** A segment and how to find its bytes. `location` is the one that `segment.file` names. */
export interface StoredSegment {
  readonly segment: Segment;
  readonly location: Location;
}

/** Asked for one turn's engine, so it knows already which that is. */
export interface EngineProbe {
  /**
   * The start identity of the process that is the engine now; undefined if nobody can say, which a rejection and an answer
   * later than `probeTimeoutMs` mean as well. Over HTTP, what the commit carried.
   */
  instance(): Promise<EngineInstance | undefined>;
}

export interface SegmentWriter {
  /** As it was when the turn was planned: the turn's `engine`. */
  readonly atPlan: EngineInstance | undefined;
  readonly probe: EngineProbe;
}

export interface WrittenSegment extends StoredSegment {
  readonly layout: SegmentLayout;
  readonly writer: SegmentWriter;
}

/** Why bytes are no segment, or cannot be told to be one. */
export type ByteProblem =
  | "missing" // there is no such object
  | "truncated" // the object ends before the segment does
  | "not_ours" // a link, a folder or a device lies where the object should
  | "io" // the store failed
  | "queue_full" // more was asked for than `queueLimit` allows; nothing was read
  | "closed"; // the verifier was closed meanwhile

/** Why a reported segment was dropped. The engine's two are `engine_restarted` in the verdict, all others `unverified`. */
export type DropCause =
  | ByteProblem
  | "replaced" // another object took the name meanwhile
  | "zero_block" // a block was never written
  | "unsettled" // the bytes still changed at the end
  | "engine_restarted" // another process is the engine now
  | "engine_unknown"; // which process the engine was or is, nobody says

/**
 * `ok`: the bytes are those of the recorded CRC. `stat` was taken before they were read: a write since then makes it differ.
 * It vouches for this segment alone: what the file's recorded stat vouches for is every segment in it.
 * `damaged`: they are not and will not be: condemn it. `unreadable`: nobody knows now; do not list it in this turn.
 */
export type Recheck =
  | { readonly kind: "ok"; readonly stat: ObjectStat }
  | { readonly kind: "damaged"; readonly reason: DamageReason }
  | { readonly kind: "unreadable"; readonly reason: UnreadableReason };

export type NotWhole = Exclude<Recheck, { kind: "ok" }>;
export type DamageReason = "crc" | "missing" | "truncated" | "not_ours";
export type UnreadableReason = "io" | "queue_full" | "closed";

export interface SegmentVerifier {
  /**
   * For a `reported` segment, whose bytes the engine may still be writing. Takes at least `quietMs`; how long at most is the
   * caller's to judge by its turn's deadline, since passes may have to wait for each other. Rejects for a bug only.
   */
  verify(written: WrittenSegment): Promise<Verdict>;

  /** For a `durable` segment: one read of all of it, ahead of waiting verifications. Rejects for a bug only. */
  recheck(stored: StoredSegment): Promise<Recheck>;

  /** Idempotent. What is not read through yet ends as `closed` and is waited for; what is asked for later ends so at once. */
  close(): Promise<void>;
}

/** Told once for each call that ends; never throws. */
export interface VerifyObserver {
  verified(end: VerifyEnd): void;
  rechecked(end: RecheckEnd): void;
}

export interface VerifyEnd {
  readonly result: "durable" | DropCause;
  /** Of the segment. */
  readonly bytes: number;
  /** Reads begun, the last of which may have ended early. */
  readonly passes: number;
  readonly durationMs: number;
}

export interface RecheckEnd {
  readonly result: "ok" | DamageReason | UnreadableReason;
  readonly bytes: number;
  readonly durationMs: number;
}
