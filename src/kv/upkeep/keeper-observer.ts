/** What the keeper tells, for metrics and the log. Each method returns at once and never throws. */
import type { SweepReport } from "../catalog.ts";
import type { MoveResult } from "../copier.ts";
import type { FaultCode, ObjectName } from "../location.ts";
import type { FileRef, SegmentId } from "../records.ts";
import type { EvictReport } from "../space.ts";

/**
 * `absent`: it had gone by itself. `kept`: what has the name is not the file that was made, and stays for its owner; so does what
 * is no file at all, `not_ours`. After these three the catalog has forgotten the file. After any other it is tried again.
 */
export type UnlinkResult = "removed" | "absent" | "kept" | "location_unknown" | FaultCode;

export interface UnlinkEnd {
  readonly file: FileRef;
  readonly result: UnlinkResult;
}

export interface CompactionEnd {
  readonly segment: SegmentId;
  readonly location: string;
  readonly bytes: number;
  readonly result: MoveResult;
}

/** `full`: a reservation was refused. `headroom`: all had room, and less than there should be was left. */
export type EvictionCause = "full" | "headroom";

/** What one transaction evicted. */
export interface Eviction extends EvictReport {
  readonly location: string;
  readonly cause: EvictionCause;
}

/** What one round over all objects of a location saw. */
export interface StockTake {
  readonly location: string;
  readonly objects: number;
  /** Objects that the catalog does not know, and their bytes. The keeper leaves them alone. */
  readonly orphans: number;
  readonly orphanBytes: number;
  /** What puts left unfinished, dead and alive, with what dead saves and restores left, and how many of these are gone now. */
  readonly leftovers: number;
  readonly discarded: number;
  /** What somebody else put there. */
  readonly foreign: number;
}

export interface KeeperObserver {
  /** After each step, with how long its transaction took. */
  swept(report: SweepReport, durationMs: number): void;
  unlinked(end: UnlinkEnd): void;
  evicted(eviction: Eviction): void;
  compacted(end: CompactionEnd): void;
  stockTaken(stock: StockTake): void;
  /** An orphan that was met, once in each round. */
  orphan(location: string, name: ObjectName): void;
  /** A part of a pass ended by a fault of a location, or by a bug. The next pass tries again. */
  failed(part: KeeperPart, reason: Error): void;
  /** Of all parts of a pass together. */
  passEnded(durationMs: number): void;
}

export type KeeperPart = "sweep" | "evict" | "compact" | "replicate" | "stock";
