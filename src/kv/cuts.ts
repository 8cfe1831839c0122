/**
 * The rules of the catalog about parts of a written segment that are listed in its place. A segment is read whole or not at all, as
 * its tokens are strided; so each part is copied into an object of its own first, between these two rules.
 */
import type { SettleOutcome } from "./catalog.ts";
import type { ObjectStat } from "./location.ts";
import type { FileRef, IndexPlace, Segment, SegmentChain, SegmentId } from "./records.ts";
import type { OpenCopyOutcome, NewObject } from "./space.ts";

export interface OpenCutRequest {
  /** Reported, and not settled. */
  readonly segment: SegmentId;
  /** Of the part. */
  readonly bytes: number;
  readonly newFile: NewObject;
  readonly nowMs: number;
  /** Not settled by then, the copy is unlinked after its quarantine. */
  readonly deadlineMs: number;
}

/** Tokens that follow those of the part before it; the first one begins where the segment does. */
export interface CutPart {
  readonly tokenLength: number;
  readonly chain: SegmentChain;
  /** In the tenant's namespace. */
  readonly place: IndexPlace;
  readonly crc: number;
  /** From `openCut`; it holds the bytes of the part and nothing else, checked and durable. */
  readonly file: FileRef;
  readonly stat: ObjectStat;
}

export interface SettleCutRequest {
  /** The only part of its turn. */
  readonly segment: SegmentId;
  readonly nowMs: number;
  /** One or more, not longer than the segment together. */
  readonly parts: readonly CutPart[];
  /** As of a `SettleRequest`. */
  readonly locations: ReadonlySet<string>;
}

/** A part that is listed, or of which an equal one is. */
export interface SettledCut {
  readonly segment: Segment;
  readonly outcome: SettleOutcome;
}

export interface CutRules {
  /** Books the copy before it is made, so that a crash leaves no object that nobody knows. */
  openCut(request: OpenCutRequest): Promise<OpenCopyOutcome>;
  /**
   * Lists the parts in place of the reported segment, whose own bytes nobody will be given: its file is sealed. Undefined, and nothing
   * is listed, if it was not to be settled any more, or a copy's deadline has passed.
   */
  settleCut(request: SettleCutRequest): Promise<readonly SettledCut[] | undefined>;
}
