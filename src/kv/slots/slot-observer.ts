import type { SnapshotRefusal } from "../snapshot-rules.ts";
import type { UnkeptReason } from "../snapshots/snapshot-desk.ts";
import type { FreshReason, NoSeatReason, Seat } from "./seat.ts";
import type { SlotFaultCode } from "./slot-server.ts";
import type { DisplacedBy } from "./slot-table.ts";

/** What a slot desk tells about itself. Never throws, never waits. */
export interface SlotObserver {
  /** One for each request of a seat, together with `refused`. */
  seated(seat: SeatedTurn): void;
  refused(reason: NoSeatReason, waitedMs: number): void;
  /** One for each save that was begun. */
  saved(save: EndedSave): void;
  /** One for each restore that was begun. */
  restored(restore: EndedRestore): void;
  /** A session is not where it was any more. */
  displaced(by: DisplacedBy): void;
  /** Something was wanted in vain, and things went on without it. */
  failed(call: SlotCall, error: unknown): void;
}

export interface SeatedTurn {
  readonly from: Seat["from"];
  readonly why: FreshReason | undefined;
  /** For its slot and what was restored in it together. */
  readonly waitedMs: number;
}

export interface EndedSave {
  readonly outcome: SaveOutcome;
  /** Until the server answered; what was kept takes a while longer. */
  readonly elapsedMs: number;
  /** As the server said; 0 where it did not. */
  readonly bytes: number;
  readonly tokens: number;
}

/** `miscounted`: not as many tokens as the session has. `stranger`: somebody was in the slot meanwhile, or nobody can say that none was. */
export type SaveOutcome =
  | "kept"
  | SlotFaultCode
  | "miscounted"
  | "stranger"
  | "failed" // by a bug, which the log has
  | SnapshotRefusal
  | UnkeptReason;

export interface EndedRestore {
  readonly outcome: RestoreOutcome;
  readonly elapsedMs: number;
  /** Of the snapshot. */
  readonly bytes: number;
}

/** `mismatch`: what the server restored is not as long as the snapshot. */
export type RestoreOutcome = "restored" | "mismatch" | SlotFaultCode;

export type SlotCall = "seat" | "look" | "save" | "restore" | "erase" | "find" | "stage" | "keep";
