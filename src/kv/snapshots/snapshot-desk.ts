/**
 * Snapshots in process: which one serves a prompt, its bytes checked and brought to where a server can restore them, and what a server saved listed for its session. It
 * joins the catalog's rules to files and keys, as the turn desk does for the segments of other engines, and holds nothing that a crash could lose. Types only; implemented by
 * `stored-snapshots.ts`.
 */
import type { GeometryKey } from "../model/geometry-key.ts";
import type { Hold } from "../readahead/gate.ts";
import type { Segment, SessionKey } from "../records.ts";
import type { StagedName } from "../staging.ts";
import type { SnapshotRefusal } from "../snapshot-rules.ts";
import type { SnapshotPrompt } from "./snapshot-prompt.ts";

export interface FindRequest {
  readonly session: SessionKey;
  readonly prompt: SnapshotPrompt;
  readonly geometry: GeometryKey;
  /** Where the server restores from: what lies elsewhere is brought there first, as far as waiting for that pays. */
  readonly location: string;
  readonly hold: Hold | undefined;
}

export interface FoundSnapshot {
  readonly segment: Segment;
  /** About how many of the prompt's tokens it spares. >= 1. */
  readonly commonTokens: number;
}

/** Why none is given. A value of `x-moorline-kv` and of a metric's label. */
export type UnfoundReason =
  | "no_session"
  | "nothing_stored"
  | "location_unknown" // the only copies are out of reach
  | "client_gone"
  | "catalog_failed";

/** Why a found one cannot be restored. `damaged`: its bytes are not those that were saved; that copy is forgotten. */
export type UnstagedReason = "damaged" | "unreadable";

export interface AdmitRequest {
  readonly session: SessionKey;
  readonly prompt: SnapshotPrompt;
  readonly geometry: GeometryKey;
  /** As the server counted them. */
  readonly promptTokens: number;
}

export interface KeepRequest {
  readonly session: SessionKey;
  readonly prompt: SnapshotPrompt;
  readonly geometry: GeometryKey;
  readonly location: string;
  /** What the server saved. */
  readonly name: StagedName;
  /** As it said. */
  readonly tokens: number;
  readonly bytes: number;
}

/** `unsound`: the file is not there, or not as long as the server says. */
export type KeepOutcome =
  | { readonly kind: "kept"; readonly segment: Segment }
  | { readonly kind: "dropped"; readonly reason: SnapshotRefusal | UnkeptReason };

export type UnkeptReason = "unsound" | "expired" | "store_failed" | "catalog_failed";

export interface SnapshotDesk {
  /** What it answers with is leased for reading, and the session is used. */
  find(request: FindRequest): Promise<FoundSnapshot | UnfoundReason>;
  /** Whether what a turn has left in its slot may be kept, by the session's retention class. Once for each turn, before anything of it is saved. */
  admits(request: AdmitRequest): Promise<boolean>;
  /** A fresh name in the location's staging folder. */
  newStagedName(): StagedName;
  /** The name of a file that is the snapshot, for one restore, and then to be removed. */
  stage(found: FoundSnapshot, location: string): Promise<StagedName | UnstagedReason>;
  /** Idempotent, and never rejects: what cannot be removed is swept. */
  unstage(location: string, name: StagedName): Promise<void>;
  /** The staged file is gone afterwards, kept or not. */
  keep(request: KeepRequest): Promise<KeepOutcome>;
  /** Idempotent. Takes no more work, and waits for all that is under way. */
  close(): Promise<void>;
}
