/** What a turn is told, and what it tells. */
import type {
  Dropped,
  DropReason,
  MatchLimit,
  ReportOutcome,
  ReserveRefusal,
  SettleOutcome,
} from "../catalog.ts";
import type { FaultCode } from "../location.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { LoadRules } from "../model/load-rules.ts";
import type { Hold } from "../readahead/gate.ts";
import type { Reach } from "../reach.ts";
import type { EngineInstance, Prefix, Segment, SegmentId, SessionKey, TurnId } from "../records.ts";
import type { Unadmitted } from "./admission.ts";
import type { CountedText, PlannedText, TextSequence, TokenSequence } from "./token-sequence.ts";

export interface PlanRequest {
  readonly session: SessionKey;
  readonly prompt: TokenSequence | TextSequence;
  /** >= 0; 0 of a text, to whose chain no answer belongs. */
  readonly maxNewTokens: number;
  /** Which process is to write; compared when it has. */
  readonly engine: EngineInstance | undefined;
  /** Of that process: nothing is planned for a session of another. Undefined: it has the session's, by the caller's word. */
  readonly geometry?: GeometryKey | undefined;
  /** Of that process: nothing elsewhere is listed or reserved. Undefined: it has all that any engine reaches, by the caller's word. */
  readonly reach?: Reach | undefined;
  /** For what could be nearer, before the plan is made. Undefined: it is brought for the next turn, and this one does not wait. */
  readonly hold?: Hold | undefined;
}

export interface ExplainRequest extends Pick<PlanRequest, "session"> {
  readonly prompt: TokenSequence;
  /** Given: as for a session of this model, whether or not it is there. */
  readonly model?: string | undefined;
}

/** Of a session of this model, whether or not it is there. */
export interface SurveyRequest extends Pick<PlanRequest, "session" | "prompt"> {
  readonly model: string;
  /** Each once. */
  readonly reaches: readonly Reach[];
}

/**
 * A segment as an engine is to have it. Never its length in bytes: engines disagree whether that is of one rank or of all, and
 * one that gets the other's answer silently loads nothing.
 */
export interface PlannedSegment {
  readonly tokenStart: number;
  readonly tokenLength: number;
  readonly kvUri: string;
  readonly kvStart: number;
}

/** Why bytes that match are not listed. */
export type UnlistedReason = "file_missing" | "file_damaged" | "file_unreadable";

/** Why the turn can neither load nor store. */
export type UnplannedReason =
  | "no_session"
  | "unknown_model"
  | "unknown_tenant"
  | "other_model" // than the engine's
  | "contended"
  | "client_gone" // nobody waits any more: it was held, or waited for another turn
  | "catalog_failed";

/** Why a plan lists no more. */
export type PlanLimit = MatchLimit | UnlistedReason | UnplannedReason;

/** Why a plan has no reservation, and the answer will not be stored. `file_...`: its file could not be made or made larger. */
export type UnreservedReason =
  | Exclude<ReserveRefusal, "stale_match" | "file_exists">
  | UnplannedReason
  | Unadmitted
  | "nothing_to_store"
  | "busy" // another turn of the session was open for longer than this one may wait
  | "no_location"
  | `file_${FaultCode}`;

export type Fresh =
  | {
      readonly kind: "reserved";
      readonly turn: TurnId;
      /** One, or two: the rest of the prompt and the answer. The file has these bytes before this is answered. */
      readonly segments: readonly PlannedSegment[];
    }
  | { readonly kind: "none"; readonly reason: UnreservedReason };

export interface TurnPlan {
  /** From token 0, in order, without gaps; the reservation starts where they end. */
  readonly stored: readonly PlannedSegment[];
  readonly storedTokens: number;
  /** Of a text: for its commit. Undefined where the turn could not be planned at all. */
  readonly text: PlannedText | undefined;
  /** 0 where the turn could not be planned at all; a guess where nobody but the engine tokenises. */
  readonly promptTokens: number;
  readonly limit: PlanLimit;
  readonly fresh: Fresh;
  /** Ids of those where what is listed and what is reserved lies. */
  readonly locations: ReadonlySet<string>;
  /** Wall clock. What is listed may be read until then, and the turn committed before. */
  readonly deadlineMs: number;
}

/** What a plan of a prompt would list now. */
export interface Explanation {
  readonly promptTokens: number;
  readonly segments: readonly Segment[];
  readonly storedTokens: number;
  readonly limit: PlanLimit;
  readonly rules: LoadRules;
  /** Consulted besides the tenant's own namespace, in this order. */
  readonly prefixes: readonly Prefix[];
  /** What the session lists that would not be listed for this prompt, by token start. */
  readonly unused: readonly Segment[];
}

/** As the engine says it. Nothing in it is believed. */
export interface EngineSegment extends PlannedSegment {
  readonly kvLength?: number | undefined;
}

/** How much of a prompt plans of different reaches would list now. */
export interface Survey {
  readonly promptTokens: number;
  /** Without those that were too many to be looked at. */
  readonly storedTokens: ReadonlyMap<Reach, number>;
}

export interface CommitRequest {
  readonly turn: TurnId;
  /** As it was planned for; it may be known in another form. */
  readonly prompt: TokenSequence | CountedText;
  /** The ids of the answer, of the same kind; none of a text. */
  readonly output: ArrayLike<number>;
  readonly segments: readonly EngineSegment[];
  /** Which process is the engine now, asked when its bytes have come to rest. */
  readonly engine: () => Promise<EngineInstance | undefined>;
}

/** `pending` segments are being verified and not listed yet; perhaps they never are. */
export type CommitOutcome =
  | {
      readonly kind: "accepted";
      readonly pending: readonly Segment[];
      readonly dropped: readonly Dropped[];
      /** What became of each that was pending, when that is known. Never rejects. */
      readonly settled: Promise<readonly SettledPart[]>;
    }
  | { readonly kind: "conflict"; readonly reason: CommitConflict };

/** `as`: itself, or an equal segment that the tenant had before and that the session lists instead. */
export type SettledPart =
  | { readonly kind: "listed"; readonly segment: Segment; readonly as: SegmentId }
  | { readonly kind: "dropped"; readonly segment: Segment; readonly reason: DropReason };

/** `other_prompt`: the turn was planned for another prompt, or the model has changed since. Nothing was changed. */
export type CommitConflict =
  | Extract<ReportOutcome, { kind: "conflict" }>["reason"]
  | "other_prompt"
  | "location_unknown";

export type AbortReason =
  | "client_gone"
  | "engine_failed"
  | "not_reported"
  | PathAbortReason
  | `file_${FaultCode}`;

/** In the request path. */
export type PathAbortReason =
  | "unsent" // the engine never got it
  | "unanswered" // the exchange ended without a response
  | "cut_short" // or in the middle of one
  | "encoded" // the answer was, and could not be read
  | "retried" // more than one engine may have written, or nobody knows
  | "served_elsewhere" // not by the engine that it was planned for
  | "other_weights" // it was computed by weights that are not the profile's
  | "uncounted" // the engine did not say how many tokens the prompt has
  | "miscounted"; // it counted other tokens than we did, or than it can have had

/** Told of each end; must return at once and not throw. */
export interface TurnObserver {
  planned(plan: TurnPlan): void;
  committed(outcome: CommitOutcome): void;
  aborted(reason: AbortReason): void;
  settled(segment: Segment, outcome: SettleOutcome): void;
  /** All of a turn is settled; this was the last of its segments that is listed, and how its file looked then is on record. */
  stored(last: Segment): void;
  /** A verification ended by a bug, or was never begun as too many were under way. */
  unverified(segment: Segment, cause: "queue_full" | Error): void;
}
