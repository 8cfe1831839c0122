/**
 * The rules of the catalog about snapshots. A snapshot is a segment that an engine saved as one opaque file: the KV of everything that
 * was in one of its slots, from token 0 on. It is read whole, never cut, lies in an object of its own at `kvStart` 0, and says of its tokens no more than
 * their number. Snapshots of one session overlap; a newer one takes the place of the session's older ones.
 *
 * They are found by text: the engine that restores one compares the tokens itself, and goes on from where they differ. So a match is a
 * guess at how much will be reused, and a wrong one costs time and nothing else; what keeps a wrong byte away is the geometry, which
 * names the model's weights, the namespace, and the CRC. A text is whatever the caller makes of a prompt, as a chain of bytes
 * (`TEXT_CHAIN`): equal prompts have equal texts, and a prompt that goes on from another begins with its text.
 *
 * Everything else, references, charges, copies, eviction, expiry, is as of any segment. Only the quarantine is missing: no engine writes to the
 * object or reads it under its name, so that it goes as soon as nobody lists it and its leases are over.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { PromptNamespace } from "./catalog.ts";
import type { Quota } from "./holders.ts";
import type { ObjectStat } from "./location.ts";
import type { GeometryKey } from "./model/geometry-key.ts";
import type {
  FileRef,
  IndexPlace,
  Segment,
  SegmentChain,
  SegmentId,
  SessionKey,
  SnapshotText,
} from "./records.ts";
import type { NewObject } from "./space.ts";

export interface OpenSnapshotRequest {
  readonly session: SessionKey;
  /** Of the file, which is saved already on the same device, under another name. >= 1. */
  readonly bytes: number;
  readonly newFile: NewObject;
  readonly nowMs: number;
  /** Not kept by then, the file is unlinked. After `nowMs`. */
  readonly deadlineMs: number;
  readonly quota: Quota;
}

export type OpenSnapshotOutcome = "opened" | SnapshotRefusal;

export type SnapshotRefusal =
  | "no_session"
  | "file_exists" // the new name is taken
  | "no_space"
  | "quota_bytes"
  | "segments_limit";

export interface KeepSnapshotRequest {
  /** Never there before. */
  readonly segment: SegmentId;
  readonly session: SessionKey;
  /** From `openSnapshot`; it holds the snapshot and nothing else, checked and durable. */
  readonly file: FileRef;
  readonly stat: ObjectStat;
  /** CRC-32 of the whole file. */
  readonly crc: number;
  /** In the engine's slot when it was saved: the prompt's, and what was generated. >= 1. */
  readonly tokens: number;
  readonly geometry: GeometryKey;
  /** From the start of the chain to the end of the prompt's text. */
  readonly chain: SegmentChain;
  /** In the tenant's namespace. */
  readonly place: IndexPlace;
  readonly text: SnapshotText;
  readonly nowMs: number;
  readonly quota: Quota;
}

/** `expired`: the deadline of the file has passed, or it is not of the size that was booked. On anything but `kept` nothing is listed, and the file goes by its deadline. */
export type KeepSnapshotOutcome = "kept" | "no_session" | "expired" | "quota_bytes";

export interface SnapshotMatchRequest {
  readonly session: SessionKey;
  readonly geometry: GeometryKey;
  /** The prompt's text, and every namespace that the session may read. */
  readonly prompt: SnapshotPromptView;
  /** Those that are there now. What has no copy at any of them is passed over. */
  readonly locations: ReadonlySet<string>;
}

export interface SnapshotPromptView {
  /** Units of the text. */
  readonly length: number;
  readonly step: number;
  /** As of a `SnapshotText`. */
  readonly points: Uint8Array;
  readonly namespaces: readonly PromptNamespace[];
}

export interface SnapshotMatch {
  /** In its first copy. */
  readonly segment: Segment;
  /** Units of text that it has in common with the prompt, to the grid step: at most what both have. > 0. */
  readonly commonUnits: number;
  /** About how many of its tokens will be reused: all of them where the whole of its text is the prompt's. >= 1. */
  readonly commonTokens: number;
}

export interface SnapshotRules {
  /**
   * Books the file before it gets its name, so that a crash leaves no object that nobody knows. The session's older snapshots do not count against the quota, nor
   * the file against what is free on the device, where it is already.
   */
  openSnapshot(request: OpenSnapshotRequest): Promise<OpenSnapshotOutcome>;
  /**
   * Lists it, and no older snapshot of that geometry any more that the session made itself: whoever else lists one keeps it. What the session was given by a
   * fork, attached or read stays too until the new one begins with its text, as far as the grid tells. No use of the session, which may be saved long after its last turn.
   */
  keepSnapshot(request: KeepSnapshotRequest): Promise<KeepSnapshotOutcome>;
  /**
   * The snapshot with the most text in common with the prompt: of those that the session lists, and of those in its namespaces whose
   * whole text the prompt begins with, the newest few at least. Of equal ones those that the session lists, then the newest. Undefined: none has a grid step in common, nor its whole text. Changes nothing.
   */
  matchSnapshot(request: SnapshotMatchRequest): MaybePromise<SnapshotMatch | undefined>;
}
