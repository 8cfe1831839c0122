/** What turns in the request path tell about themselves. */
import type { NoTurnReason } from "../dialects/dialect.ts";
import type { ComparedTurn } from "../prediction/last-turns.ts";
import type { SessionKey } from "../records.ts";
import type { UnencodedReason } from "../tokens/prompt-tokens.ts";
import type {
  CommitConflict,
  PathAbortReason,
  AbortReason,
  UnplannedReason,
  UnreservedReason,
} from "../turns/turn-plan.ts";
import type { NoSeatReason } from "../slots/seat.ts";
import type { SlotServerOffReason } from "../slots/slot-server.ts";
import type { EngineOffReason } from "./engine-directory.ts";

/** Never throws, never waits. */
export interface PathObserver {
  /** One for each body of a pool. */
  begun(turn: BegunTurn): void;
  /** What a request waits for, part by part; each as it ends, also in vain. */
  spent(time: SpentTime): void;
  /** One for each that was injected. */
  ended(turn: EndedTurn): void;
  /** One for each whole answer that counts its tokens, before its turn has ended. */
  measured(turn: MeasuredTurn): void;
  /** What was wanted of the KV service failed, and the request went on without it. */
  failed(call: PathCall, error: unknown): void;
}

export interface BegunTurn {
  readonly pool: string;
  /** What the engine is given, or why nothing. */
  readonly plan: "injected" | PassReason;
  /** Of an injected one, which of the prompt's tokens are given to load. */
  readonly promptTokens: number;
  readonly reusedTokens: number;
  readonly heldMs: number;
}

export interface SpentTime {
  readonly pool: string;
  readonly part: TurnPart;
  readonly elapsedMs: number;
}

export type TurnPart =
  | "read" // the body is scanned
  | "weigh" // before an endpoint is chosen, where it matters which; the prompt becomes ids in it
  | "tokens" // its prompt becomes ids
  | "plan" // what matches is looked up, and room reserved
  | "inject"; // what the engine is told is written into the body

export interface MeasuredTurn extends ComparedTurn {
  readonly pool: string;
  readonly session: SessionKey;
}

export interface EndedTurn {
  readonly pool: string;
  readonly end: TurnEnd;
}

/** Why a body goes to the engine with nothing to load and nowhere to store. A value of `x-moorline-kv`. */
export type PassReason =
  | NoTurnReason
  | EngineOffReason
  | SlotServerOffReason
  | NoSeatReason
  | UnencodedReason
  | UnplannedReason
  | UnreservedReason
  | "quota_sessions" // its session is not there, and may not be made
  | "late" // planning it took as long as the request may be held, or that of many others still goes on
  | "failed"; // by a bug, which the log has

/** `unreserved`: it had nowhere to store, and its answer was whole. `failed`: by a bug, or the catalog. */
export type TurnEnd = "committed" | "unreserved" | "failed" | CommitConflict | AbortedEnd;

export type AbortedEnd = PathAbortReason | Extract<AbortReason, "engine_failed" | "not_reported">;

export type PathCall = "weigh" | "begin" | "create" | "commit" | "abort" | "end" | "prefetch";
