/**
 * What is stored where, for whom, for how long. Owned by the KV core, implemented in `catalog/`. Every method is a rule: atomic,
 * and leaving every invariant true by itself, so that a crash between any two of them loses nothing and lists nothing early.
 * What a rule answers is on disk, as durably as the catalog was opened for, before it answers.
 *
 * The rules know no clock and no randomness: the time, ids and new names come with each request. They never touch a file either:
 * the caller makes a file as large as a reservation says, and unlinks what `sweep` tells it to.
 *
 * Always true:
 * - no byte range of a file is handed out twice: a reservation begins at the file's high-water mark;
 * - only a durable segment is ever matched or referred to, and it never changes;
 * - refcounts, tenant and location usage are exact sums of the records, at every commit;
 * - a file is given up for unlinking when nothing refers to it, nobody may write or read it, and its quarantine is over.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { Unlistable } from "./cover.ts";
import type { CutRules } from "./cuts.ts";
import type { Digest } from "./digest.ts";
import type { FileRules } from "./files.ts";
import type { ObjectStat } from "./location.ts";
import type { GeometryKey } from "./model/geometry-key.ts";
import type { LoadRules } from "./model/load-rules.ts";
import type {
  EngineInstance,
  FileRef,
  IndexPlace,
  LocationUsage,
  Segment,
  SegmentChain,
  SegmentId,
  SessionKey,
  StoredFile,
  TenantUsage,
  Turn,
  TurnId,
} from "./records.ts";
import type { HolderRules, ListedCopy, Quota, Reader } from "./holders.ts";
import type { SnapshotRules } from "./snapshot-rules.ts";
import type { NewObject, SpaceRules } from "./space.ts";

/** Branches and turns that wait to be settled, all together. */
export const SESSION_TURNS_LIMIT = 64;

/** A prompt's chain under the key of one tenant or shared prefix. Keys may be computed when they are asked for. */
export interface PromptNamespace {
  /** Of the point after `index` grid steps; 0 is the start of the chain. */
  gridKey(index: number): Digest;
  /** Of the end `length` units after that point; less than a step, and not past the prompt. */
  leafKey(index: number, length: number): Digest;
}

export interface PromptView {
  /** Tokens of the whole prompt, or no fewer than it may have. A match leaves at least one of them to compute. */
  readonly tokens: number;
  /** Units of the chain. */
  readonly length: number;
  readonly step: number;
  /** Whether a segment may end after so many units. Absent: each is a token, so one ends where the tokens before it say. */
  readonly isEnd?: (at: number) => boolean;
  /** Every namespace that the session may read. */
  readonly namespaces: readonly PromptNamespace[];
}

export interface MatchRequest {
  readonly session: SessionKey;
  readonly prompt: PromptView;
  readonly rules: LoadRules;
  /** Those in reach now. What has no copy at any of them cannot be read and is passed over, for an equal one if there is one. */
  readonly locations: ReadonlySet<string>;
}

/**
 * Why a match covers no more:
 * `nothing_stored`: no segment ends on this prompt;
 * `end_of_stored`: all that is stored of this prompt is covered;
 * `diverged`: the session has more, which goes on otherwise or past the end of the prompt;
 * `gap`: there is more on this prompt, which nothing joins to the start;
 * `location_unknown`: the segment that would be next lies at no location in reach;
 * `below_threshold`: what would be covered is too little for the engine to load it;
 * `off_page`, `at_prompt_end`: there is more, which the engine would not take.
 */
export type MatchLimit =
  | "nothing_stored"
  | "end_of_stored"
  | "diverged"
  | "gap"
  | "location_unknown"
  | "below_threshold"
  | Unlistable;

export interface Match {
  /** In order from token 0, each starting where the one before it ends. In their first copies: which one is read is for `copies.ts`. */
  readonly segments: readonly Segment[];
  readonly tokens: number;
  readonly limit: MatchLimit;
}

export interface TurnRequest {
  readonly turn: TurnId;
  readonly session: SessionKey;
  readonly nowMs: number;
  /** When the turn is given up; after `nowMs`. */
  readonly deadlineMs: number;
  readonly geometry: GeometryKey;
  /** Of one token over all ranks, and on one of them. */
  readonly tokenBytes: number;
  readonly rankTokenBytes: number;
  /** As of a `Reader`. */
  readonly trusts: Reader["trusts"];
  /** What the engine will be told to read: leased until the deadline, and the session's from now on. */
  readonly listed: readonly ListedCopy[];
  /** The first token to be stored. */
  readonly tokenStart: number;
  /** Tokens of each part, all >= 1: one, or two where the reservation is cut at the end of the prompt. */
  readonly parts: readonly number[];
  readonly engine: EngineInstance | undefined;
  /** While another turn of the session is open: answer `busy`, or write to a file of its own. */
  readonly whenBusy: "wait" | "branch";
  /** Nobody reports turns of this engine any more: one that is open in the session is aborted, and not waited for. */
  readonly isLost: (engine: EngineInstance) => boolean;
  /** Made by the rule if the session has no file to go on with. Never a name that was there before. */
  readonly newFile: NewFile;
  readonly quota: Quota;
}

export interface NewFile extends NewObject {
  /** False where objects cannot grow: the file is sealed from the start, and each reservation has its own. */
  readonly canGrow: boolean;
}

export interface ReservedPart {
  readonly segment: SegmentId;
  readonly tokenStart: number;
  readonly tokenLength: number;
  readonly kvStart: number;
}

/** The file has to reach from `fromBytes` to `toBytes`, or to be made where `fromBytes` is 0, before an engine hears of it. */
export interface Reservation {
  readonly turn: TurnId;
  readonly file: FileRef;
  readonly fromBytes: number;
  readonly toBytes: number;
  readonly parts: readonly ReservedPart[];
}

/**
 * `stale_match`: a listed segment, or the copy of it, has gone since; match again. `file_exists`: the new name is taken. The others are what they
 * say, and the request goes on without a reservation; what was listed is then leased by `lease`.
 */
export type ReserveRefusal =
  | "no_session"
  | "stale_match"
  | "file_exists"
  | "turns_limit"
  | "segments_limit"
  | "quota_bytes"
  | "no_space";

export type ReserveOutcome =
  | { readonly kind: "reserved"; readonly reservation: Reservation }
  | { readonly kind: "busy"; readonly turn: TurnId; readonly deadlineMs: number }
  | { readonly kind: "refused"; readonly reason: ReserveRefusal };

export interface LeaseRequest {
  readonly session: SessionKey;
  /** As of a `Reader`. */
  readonly trusts: Reader["trusts"];
  readonly listed: readonly ListedCopy[];
  readonly nowMs: number;
  readonly untilMs: number;
}

export interface ReadLeaseRequest {
  readonly segment: SegmentId;
  /** Of the copy that is read. */
  readonly file: FileRef;
  readonly untilMs: number;
}

/** A segment as the engine reported it. */
export interface ReportedSegment {
  readonly file: FileRef;
  readonly tokenStart: number;
  readonly tokenLength: number;
  readonly kvStart: number;
  /** Over all ranks or on one of them, as engines differ; used for a check and for nothing else. */
  readonly kvLength: number | undefined;
  readonly chain: SegmentChain;
  /** In the tenant's namespace. */
  readonly place: IndexPlace;
}

export interface ReportRequest {
  readonly turn: TurnId;
  readonly nowMs: number;
  /** When what is not settled is given up. */
  readonly settleByMs: number;
  readonly segments: readonly ReportedSegment[];
}

/** Why a reserved part will never be listed. */
export type DropReason =
  | "omitted" // the engine did not report it
  | "after_short_part" // the part before it was reported short
  | "longer_than_reserved"
  | "wrong_place" // another file or offset than it was given
  | "wrong_length" // the tokens or bytes are no such segment
  | "unverified" // the bytes never settled, or are not what they should be
  | "no_boundary" // nobody knows where in its text it ends
  | "uncut" // the part of it that may be listed could not be copied
  | "engine_restarted"
  | "aborted"
  | "expired"; // the turn's deadline passed

export interface Dropped {
  readonly segment: SegmentId;
  readonly reason: DropReason;
}

export type ReportOutcome =
  | {
      readonly kind: "accepted";
      /** To be verified and settled, in order. */
      readonly pending: readonly Segment[];
      readonly dropped: readonly Dropped[];
    }
  | { readonly kind: "conflict"; readonly reason: "unknown_turn" | "already_reported" };

export type Verdict =
  | { readonly kind: "durable"; readonly crc: number; readonly stat: ObjectStat }
  | {
      readonly kind: "dropped";
      readonly reason: "unverified" | "engine_restarted" | "no_boundary" | "uncut";
    };

export interface SettleRequest {
  readonly segment: SegmentId;
  readonly nowMs: number;
  readonly verdict: Verdict;
  /** Those that are as good as the segment's own: an equal segment with no copy at any of them takes the place of none. */
  readonly locations: ReadonlySet<string>;
}

/** `duplicate`: the tenant's sessions had an equal segment, which the session lists now instead. `conflict`: it was not to be settled. */
export type SettleOutcome =
  | { readonly kind: "durable" | "dropped" | "conflict" }
  | { readonly kind: "duplicate"; readonly of: SegmentId };

export interface AbortRequest {
  readonly turn: TurnId;
  readonly nowMs: number;
}

export interface SweepRequest {
  readonly nowMs: number;
  /**
   * Turns, sessions, prefixes, references to be dropped, and files, together; and apart from them segments whose reads are written.
   * The rest is met by the next pass.
   */
  readonly limit: number;
  /** Since the last reservation in a file ended and the last read lease ran out. */
  readonly quarantineMs: number;
}

export interface SweepReport {
  readonly abortedTurns: number;
  readonly expiredSessions: number;
  readonly expiredPrefixes: number;
  readonly lapsedPins: number;
  /**
   * Entries that could not be ended, as a record that they take cannot be read. They are not due any more; the records stay as they
   * are until `repair`.
   */
  readonly brokenRecords: number;
  /** Nothing will ever refer to these again. Named by every pass until `unlinked` says that they are gone. */
  readonly unlinkable: readonly FileRef[];
  /** The limit was reached, so there may be more. */
  readonly isFull: boolean;
}

export interface Catalog extends HolderRules, SpaceRules, FileRules, CutRules, SnapshotRules {
  /** Upkeep gives way to this as to a rule that waits for its commit: it is to end in milliseconds, with a rule or without. */
  ahead(work: () => Promise<void>): Promise<void>;
  /** Changes nothing; `reserve` or `lease` says that the match is used. */
  match(request: MatchRequest): MaybePromise<Match>;
  /** Takes the turn's lease, the byte range and the charge, and counts as a use of the session and of what it lists. */
  reserve(request: TurnRequest): Promise<ReserveOutcome>;
  /** A turn without a reservation: leases what it reads, and counts as a use. False if any copy is gone; nothing is leased. */
  lease(request: LeaseRequest): Promise<boolean>;
  /**
   * For who reads one copy of a segment and is no turn: keeps its file, and is no use of a session. Answers with the segment in that
   * copy; undefined where it has none there.
   */
  leaseRead(request: ReadLeaseRequest): Promise<Segment | undefined>;
  /** Compare-and-set on the turn: once, and before its deadline. The session is free for its next turn then. */
  report(request: ReportRequest): Promise<ReportOutcome>;
  /** Lists a reported segment, or drops it and seals its file. */
  settle(request: SettleRequest): Promise<SettleOutcome>;
  /** Drops what is not durable and seals the file, as the engine may still write. False if the turn is over already. */
  abort(request: AbortRequest): Promise<boolean>;
  /** Writes which segments were read too, in a transaction of its own. */
  sweep(request: SweepRequest): Promise<SweepReport>;
  /** The caller has removed these, which `sweep` named. */
  unlinked(files: readonly FileRef[]): Promise<void>;

  // Views, each of one moment. An expired session is seen until it is swept or met by a rule.
  segment(id: SegmentId): MaybePromise<Segment | undefined>;
  /** A durable one that the tenant may list: it is in its namespace, or in a prefix that its plans consult. */
  visibleSegment(reader: Reader, id: SegmentId, nowMs: number): MaybePromise<Segment | undefined>;
  /** These in their order, of one moment, if each is one that the tenant may list; else undefined. */
  visibleSegments(
    reader: Reader,
    ids: readonly SegmentId[],
    nowMs: number,
  ): MaybePromise<readonly Segment[] | undefined>;
  turn(id: TurnId): MaybePromise<Turn | undefined>;
  file(ref: FileRef): MaybePromise<StoredFile | undefined>;
  tenantUsage(tenant: string): MaybePromise<TenantUsage>;
  locationUsage(location: string): MaybePromise<LocationUsage>;
  /**
   * Recomputes every count and index from the records that can be read. One line for each difference, and for each record that
   * cannot; empty when all is well.
   */
  audit(): MaybePromise<readonly string[]>;
  /**
   * Mends what `audit` finds, as far as the records say what is right, and answers with a line for each difference. What lacks
   * something that it cannot do without is dropped, and so is a record that cannot be read; where a turn is lost, the quarantine of its file begins at `nowMs`.
   */
  repair(nowMs: number): Promise<readonly string[]>;
  /** In memory, what `repair` would leave. It has no part in this one. */
  mendedCopy(nowMs: number): Promise<Catalog>;

  /** Idempotent. Waits for the rules under way, and writes what the last of them read. */
  close(): Promise<void>;
}
