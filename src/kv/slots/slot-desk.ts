/**
 * CONTRACT ONLY. Who sits in which slot of one server. A session that is resident keeps its slot as long as it can; one that is not gets a free slot, or that of the resident whose loss
 * costs least, saved first where its state is newer than its file; what is stored of it is restored there before its turn goes on.
 *
 * Turns wait in one line: a freed slot goes to the one that has waited for longest and can use it. The line and each wait are bounded, and whoever gets no slot goes on without.
 * Nothing here is believed longer than it can be checked: before a turn is told that its session is resident, the server is asked whether somebody else was in the slot.
 */
import type { SessionKey } from "../records.ts";
import type { UnfoundReason, UnstagedReason } from "../snapshots/snapshot-desk.ts";
import type { SnapshotPrompt } from "../snapshots/snapshot-prompt.ts";

export interface SeatRequest {
  readonly session: SessionKey;
  readonly prompt: SnapshotPrompt;
  /** Of the prompt, about: what its slot must hold. */
  readonly promptTokens: number;
  /** Monotonic: it waits no longer, for its slot and what is restored in it together. */
  readonly untilMs: number;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
  /** As of a `Hold`. */
  readonly turnMs: (storedTokens: number) => number | undefined;
}

export interface Seat {
  readonly slot: number;
  /** `resident`: it was there. `restored`: from a snapshot. `fresh`: it computes everything, for the reason given. */
  readonly from: "resident" | "restored" | "fresh";
  readonly why: FreshReason | undefined;
  /** About how many of the prompt's tokens need not be computed; 0 for `fresh`. */
  readonly reusedTokens: number;
  /** The turn is over; once. What is to be saved is saved in the background, and nobody else gets the slot before. */
  leave(end: SeatEnd): void;
}

export type FreshReason =
  | UnfoundReason
  | UnstagedReason
  | "restore_failed" // the server refused it, or restored something else
  | "late"; // there was no time left to restore

export type SeatEnd =
  /** Whole, by this server: what its slot holds now. */
  | { readonly kind: "answered"; readonly promptTokens: number; readonly outputTokens: number }
  /** The session may still be in it, and nobody knows how far. */
  | { readonly kind: "unknown" }
  /** The request never reached the server. */
  | { readonly kind: "unsent" };

/** Why a turn has no slot of its own. A value of `x-moorline-kv`. */
export type NoSeatReason =
  | "slots_busy" // all were taken until it was late
  | "queue_full"
  | "client_gone"
  | "engine_unknown"; // the server was lost meanwhile

export interface SlotDesk {
  seat(request: SeatRequest): Promise<Seat | NoSeatReason>;
  /** The session is over: its slot is erased once it is free. */
  end(session: SessionKey): void;
  /** Idempotent. Seats nobody any more, saves what is newer than its file within the time given, and waits for what is under way. */
  close(withinMs: number): Promise<void>;
}

/** When a resident is saved. */
export interface SavePolicy {
  /** `every_turn`: after each answer. `on_evict`: when its slot is given to another, and at the end. `idle`: when it was not used for `idleMs`, and as `on_evict`. */
  readonly save: "every_turn" | "on_evict" | "idle";
  readonly idleMs: number;
  /** Answers with fewer prompt tokens are not worth a file. */
  readonly minTokens: number;
  /** Turns in line at one server. */
  readonly waitingLimit: number;
}
