/**
 * The rules of the catalog about who lists segments: sessions and prefixes, for how long, and what they share. A segment lives while
 * one of them refers to it.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type {
  FileRef,
  IndexPlace,
  Prefix,
  PrefixKey,
  Retention,
  Segment,
  SegmentId,
  Session,
  SessionKey,
} from "./records.ts";

/** Whose plans look for segments, or who asks for one by its id. */
export interface Reader {
  readonly tenant: string;
  /** The other tenants whose prefixes it takes, where they are open to it. An owner alone cannot make others load what it stored. */
  readonly trusts: readonly string[];
}

/** Hard limits of a tenant. Who is above one already keeps what is there and gets no more. */
export interface Quota {
  readonly bytes: number;
  readonly sessions: number;
  readonly pins: number;
}

/** A session that has more gets no reservation, and whoever would fork it is not kept from it: the list is what is copied. */
export const SESSION_SEGMENTS_LIMIT = 4096;
/** So many of others may be among them, with all that else begins at token 0: each is looked at whenever one is searched, or saved by the session itself. A millisecond's worth or two. */
export const SESSION_SNAPSHOTS_LIMIT = 256;

export interface CreateRequest {
  readonly session: SessionKey;
  readonly model: string;
  readonly retention: Retention;
  readonly quota: Quota;
  readonly nowMs: number;
}

export type CreateOutcome =
  | { readonly kind: "created" | "exists"; readonly session: Session }
  | { readonly kind: "refused"; readonly reason: "quota_sessions" };

/** A segment that somebody is to list. */
export interface ListedSegment {
  readonly segment: SegmentId;
  /** In the namespace of who lists it. Asked for only where it is not in that already. */
  readonly place: () => IndexPlace;
}

/** One that is to be read as well. */
export interface ListedCopy extends ListedSegment {
  /** Of the copy that is read: its file is leased. */
  readonly file: FileRef;
}

export interface ForkRequest {
  readonly parent: SessionKey;
  /** The id of the new session of the same tenant. */
  readonly child: string;
  readonly quota: Quota;
  readonly nowMs: number;
  /** Of the segments that this rule copies; >= 1. */
  readonly limit: number;
}

declare const forkPositionBrand: unique symbol;
/** How far a list is copied. Says nothing to anybody but the catalog. */
export type ForkPosition = string & { readonly [forkPositionBrand]: true };

export interface ForkStepRequest extends Omit<ForkRequest, "quota"> {
  /** From the step before. */
  readonly after: ForkPosition;
  /** Of the fork. */
  readonly nowMs: number;
}

/** `rest`: where `goOnFork` begins; undefined when all is copied. */
export type ForkOutcome =
  | {
      readonly kind: "created";
      readonly session: Session;
      readonly rest: ForkPosition | undefined;
    }
  | { readonly kind: "refused"; readonly reason: "no_session" | "exists" | "quota_sessions" };

/** At most so many tenants are named by a prefix. */
export const PREFIX_READERS_LIMIT = 256;
/** At most so many prefixes are consulted by one tenant's plans: its own, those that name it, those open to everyone; each by age. */
export const PREFIXES_CONSULTED_LIMIT = 64;

export interface CreatePrefixRequest {
  readonly prefix: PrefixKey;
  /** Besides its own tenant. */
  readonly to: Prefix["to"];
  /** As of a `Reader`. */
  readonly trusts: Reader["trusts"];
  /** At least one, each visible to the tenant; with their places in the prefix's own namespace. */
  readonly segments: readonly ListedSegment[];
  /** After `nowMs`, or never. */
  readonly expiresAtMs: number | undefined;
  readonly quota: Quota;
  readonly nowMs: number;
  /** Of the segments that this rule lists; >= 1. */
  readonly limit: number;
}

declare const prefixPositionBrand: unique symbol;
/** How many segments a prefix lists that is being made. */
export type PrefixPosition = number & { readonly [prefixPositionBrand]: true };

/** In all else the request that it began with. */
export interface PrefixStepRequest extends CreatePrefixRequest {
  /** From the step before. */
  readonly after: PrefixPosition;
}

/**
 * `begun`: there is none for anybody yet, and `goOnPrefix` goes on at `rest`. `no_segment`: there is none to list, or one has gone
 * since or was never the tenant's to see.
 */
export type CreatePrefixOutcome =
  | { readonly kind: "created"; readonly prefix: Prefix }
  | { readonly kind: "begun"; readonly rest: PrefixPosition }
  | {
      readonly kind: "refused";
      readonly reason: "exists" | "quota_pins" | "no_segment" | "segments_limit";
    };

export interface AttachRequest {
  readonly session: SessionKey;
  /** As of a `Reader`. */
  readonly trusts: Reader["trusts"];
  readonly listed: readonly ListedSegment[];
  readonly nowMs: number;
}

/** `no_segment`: one has gone since, or was never the tenant's to see. All or none are listed. */
export type AttachOutcome =
  | {
      readonly kind: "attached";
      readonly session: Session;
      /** What it did not list before. */
      readonly added: readonly SegmentId[];
    }
  | {
      readonly kind: "refused";
      readonly reason: "no_session" | "no_segment" | "segments_limit";
    };

export interface DetachRequest {
  readonly session: SessionKey;
  readonly segments: readonly SegmentId[];
}

export interface AmendRequest {
  readonly session: SessionKey;
  /** Undefined: as it is. */
  readonly retention: Retention | undefined;
  /** Of the class, instead of its own. Undefined: the class's. */
  readonly ttlMs: number | undefined;
  readonly nowMs: number;
}

export interface SessionPage {
  readonly tenant: string;
  /** The id of the last session of the page before; undefined for the first page. */
  readonly after: string | undefined;
  readonly limit: number;
}

export interface PrefixPage {
  readonly tenant: string;
  /** The name of the last prefix of the page before; undefined for the first page. */
  readonly after: string | undefined;
  readonly limit: number;
  readonly nowMs: number;
}

export interface PinRequest {
  readonly session: SessionKey;
  readonly nowMs: number;
  /** 0 lifts the pin. */
  readonly untilMs: number;
  readonly quota: Quota;
}

/** `pin_limit`: longer than the session's retention class allows. */
export type PinOutcome = "pinned" | "unpinned" | "no_session" | "quota_pins" | "pin_limit";

export interface HolderRules {
  /** Idempotent: a session that is there is answered as it is. */
  create(request: CreateRequest): Promise<CreateOutcome>;
  /** Copies the list or its first segments by token start, not the bytes. Open turns stay the parent's alone. */
  fork(request: ForkRequest): Promise<ForkOutcome>;
  /**
   * The next segments of the list as it is by now, and where the step after this one begins: undefined when all is copied, or when
   * one of the two sessions has gone.
   */
  goOnFork(request: ForkStepRequest): Promise<ForkPosition | undefined>;
  /** The session lists these too, which counts as a use of it. */
  attach(request: AttachRequest): Promise<AttachOutcome>;
  /** What an attachment added that could not be completed. What the session does not list is passed over. */
  detach(request: DetachRequest): Promise<void>;
  /** The session lives on as one that is used now under the new rules, for longer or shorter. Undefined if there is none. */
  amend(request: AmendRequest): Promise<Session | undefined>;
  /** Lifted, or lapsed: what the session lists may be evicted again, of thousands of segments as soon as the sweep is past them. */
  pin(request: PinRequest): Promise<PinOutcome>;
  /**
   * Counts as a pin of its tenant. Of more segments than one rule lists it is there for nobody before the last of them: its name is
   * taken, and `sweep` removes it a minute later if nobody goes on.
   */
  createPrefix(request: CreatePrefixRequest): Promise<CreatePrefixOutcome>;
  /** The next segments. `no_segment`, after which nothing is left: one has gone since, or it took longer than that minute. */
  goOnPrefix(request: PrefixStepRequest): Promise<CreatePrefixOutcome>;
  /**
   * Nobody finds anything by it from then on. What it listed is dropped here, or by the sweep where that is much: until then its
   * tenant is charged for it, and its name is taken. False if there was no such prefix.
   */
  removePrefix(prefix: PrefixKey, nowMs: number): Promise<boolean>;
  /**
   * Aborts its turns. From then on there is no such session: another may be made under its id. What it listed is dropped here, or
   * by the sweep where that is much: until then its tenant is charged for it, and may match it. False if there was none.
   */
  end(session: SessionKey, nowMs: number): Promise<boolean>;

  // Views, each of one moment. An expired session is seen until it is swept or met by a rule.
  session(key: SessionKey): MaybePromise<Session | undefined>;
  /** By their ids; fewer than the limit where there are no more. */
  sessions(page: SessionPage): MaybePromise<readonly Session[]>;
  /** What the session lists, by token start. Seen page by page, between which the event loop is everybody's. */
  segments(key: SessionKey): Promise<readonly Segment[]>;
  prefix(key: PrefixKey): MaybePromise<Prefix | undefined>;
  /** Those that the tenant's plans consult, in their order. */
  prefixes(reader: Reader, nowMs: number): MaybePromise<readonly Prefix[]>;
  /** All that the tenant has, by their names; fewer than the limit where there are no more. */
  ownPrefixes(page: PrefixPage): MaybePromise<readonly Prefix[]>;
  /** What the prefix lists, by token start. */
  prefixSegments(key: PrefixKey): MaybePromise<readonly Segment[]>;
}
