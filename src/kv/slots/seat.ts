/** What turns ask of a slot desk, and what they are given: a seat in a slot of one server. */
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
  | "not_worth" // a snapshot spares few tokens, or computing them is sooner than restoring it; or the slot cannot hold it
  | "restore_failed" // the server refused it, or restored something else, now or not long ago
  | "late"; // there was no time left to restore

export type SeatEnd =
  /** Whole, by this server: what its slot holds now. */
  | { readonly kind: "answered"; readonly promptTokens: number; readonly outputTokens: number }
  /** The session may still be in it, and nobody knows how far. */
  | { readonly kind: "unknown" }
  /** By no answer but an error, or one that is none: what is in the slot may be why. */
  | { readonly kind: "failed" }
  /** The request never reached the server. */
  | { readonly kind: "unsent" };

/** Why a turn has no slot of its own. A value of `x-moorline-kv`. */
export type NoSeatReason =
  | "slots_busy" // all were taken until it was late
  | "queue_full"
  | "client_gone"
  | "engine_unknown"; // the server was lost meanwhile

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
