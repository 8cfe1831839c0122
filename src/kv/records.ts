/**
 * What the catalog knows, as readonly records. Times are wall-clock milliseconds, whole and at least 0, because they outlive the
 * process; sizes and offsets are bytes; ranges are tokens from the start of the session.
 */
import type { Digest } from "./digest.ts";
import type { ObjectName, ObjectStat } from "./location.ts";
import type { GeometryKey } from "./model/geometry-key.ts";

declare const turnIdBrand: unique symbol;
/** Not to be guessed, `[A-Za-z0-9_-]{1,64}`: it alone entitles to report, settle or abort a turn. */
export type TurnId = string & { readonly [turnIdBrand]: true };

declare const segmentIdBrand: unique symbol;
/** The turn that wrote the segment, and which part of its reservation it is: `<turn>.<part>`. */
export type SegmentId = string & { readonly [segmentIdBrand]: true };

export function segmentId(turn: TurnId, part: number): SegmentId {
  return `${turn}.${part}` as SegmentId;
}

export function turnOfSegment(id: SegmentId): TurnId {
  return id.slice(0, id.lastIndexOf(".")) as TurnId;
}

/** Both in visible ASCII, at most 256 characters; the default tenant is "". */
export interface SessionKey {
  readonly tenant: string;
  readonly id: string;
}

/** Not empty, else as the id of a session. */
export interface PrefixKey {
  readonly tenant: string;
  readonly name: string;
}

/**
 * Which of the sessions that had the same id, one after the other: while what one listed is not all dropped yet, the next one has
 * to be told from it.
 */
export interface SessionLife extends SessionKey {
  /** 0 unless there was one before whose references are still there. */
  readonly life: number;
}

/** Who lists segments and so keeps them: a session, or a prefix by its name. */
export interface Holder {
  readonly kind: "session" | "prefix";
  readonly tenant: string;
  readonly id: string;
  /** Of a session; 0 of a prefix. */
  readonly life: number;
}

export function sessionHolder({ tenant, id, life }: SessionLife): Holder {
  return { kind: "session", tenant, id, life };
}

export function prefixHolder({ tenant, name }: PrefixKey): Holder {
  return { kind: "prefix", tenant, id: name, life: 0 };
}

export function namespaceOf({ kind, tenant, id }: Holder): Namespace {
  return { tenant, prefix: kind === "prefix" ? id : undefined };
}

export interface Retention {
  /** Of the class, for people and metrics. */
  readonly name: string;
  /** Sliding: a session ends this long after its last use. */
  readonly ttlMs: number;
  /** No use makes a session older than this; only a pin does. */
  readonly maxAgeMs: number;
  /** 0 to 1000. What a session of a higher one refers to is never evicted for a lower one. */
  readonly priority: number;
  /** The longest pin, from the time of pinning on; 0: none. */
  readonly pinLimitMs: number;
  /** `second_hit`: nothing is stored of a prompt of which no good part was seen before. */
  readonly admission: "always" | "second_hit";
}

export interface Session extends SessionLife {
  readonly model: string;
  readonly retention: Retention;
  /** The session of the same tenant that it was forked from, which may have ended since. */
  readonly parent: string | undefined;
  readonly createdAtMs: number;
  /** Ends then, unless it is pinned for longer. */
  readonly expiresAtMs: number;
  /** 0 when it is not pinned. Counts as a pin of the tenant until it is lifted or the sweeper has seen it lapse. */
  readonly pinnedUntilMs: number;
  /** Where the next reservation goes: never sealed, made by this session. */
  readonly file: FileRef | undefined;
  /** The one turn that may write to `file`; it is among `turns`. */
  readonly leasedBy: TurnId | undefined;
  /** Every turn that is not over, with branches and those that wait to be settled. */
  readonly turns: readonly TurnId[];
  /** How many segments it refers to: durable, or withdrawn and not dropped yet. */
  readonly segments: number;
}

/** A session that was worth more: what it lists after this has not been told yet. */
export interface LoweredSession extends SessionLife {
  /** A position in its list, as the catalog has it; "" before the first. */
  readonly after: string;
}

/** Segments that outlive the session they were made from, and are open to others. Counts as a pin of its tenant. */
export interface Prefix extends PrefixKey {
  /** Besides its own tenant. */
  readonly to: "everyone" | readonly string[];
  readonly createdAtMs: number;
  /** Undefined: until it is removed. */
  readonly expiresAtMs: number | undefined;
  /** As of a session. */
  readonly segments: number;
}

export interface FileRef {
  readonly location: string;
  readonly name: ObjectName;
}

/** What it holds of its location's capacity, until it is unlinked. */
export function bookedBytesOf({
  highWaterBytes,
  unusedBytes,
}: Pick<StoredFile, "highWaterBytes" | "unusedBytes">): number {
  return highWaterBytes - unusedBytes;
}

export function isSameFile(a: FileRef, b: FileRef): boolean {
  return a.location === b.location && a.name === b.name;
}

/**
 * A file that engines write to. Its bytes below the high-water mark were all handed out, once each; nothing takes a range back.
 */
export interface StoredFile extends FileRef {
  readonly tenant: string;
  /** The session that alone reserves in it. */
  readonly creator: string;
  /** Where the next reservation begins, and what the file's size is to be. Never falls. */
  readonly highWaterBytes: number;
  /**
   * Below the high-water mark, what engines said that they have not written and will not write: holes in a sparse file, which take
   * no room. An engine that writes there afterwards breaks the report it made itself; the floor of free space, which goes by the
   * device, is what is left against that. Whatever no such report is about stays booked: an engine may write it late.
   */
  readonly unusedBytes: number;
  /** Takes no reservation any more. Never undone. */
  readonly isSealed: boolean;
  /** Turns that may still be writing. */
  readonly openReservations: number;
  /** All that ever became durable in it, copies that were made here included. */
  readonly committedBytes: number;
  /** Of the copies in it, first ones and replicas, of durable segments that somebody refers to. */
  readonly referencedBytes: number;
  /** Of these, the replicas. Where that is all, nothing is lost with the file. */
  readonly replicaBytes: number;
  /** When the last reservation ended so far; the time of its making before that. */
  readonly lastReservationEndMs: number;
  /** How often and how lately it was read, the opening included: see `catalog/read-score.ts`. Never falls. */
  readonly readScore: number;
  /**
   * Never more than the highest priority of those who refer to anything in it, where a pin is above all but for what has another
   * copy. Raised by who comes, and by an eviction that has looked; 0 again when somebody lets go who may have been the highest, and
   * when another copy is made. Only where a location comes back with another copy it may be too high until then.
   */
  readonly priorityFloor: number;
  /**
   * Somebody may be reading until then; until a copy is recorded, when its making ends at the latest. Only ever moves on after that, so
   * that a lost reader frees its lease by time alone.
   */
  readonly leasedUntilMs: number;
  /** As it was when the newest segment in it was settled. */
  readonly stat: ObjectStat | undefined;
  /** Of one snapshot: engines neither write to it nor read it under this name, so that once it was whole it needs no quarantine. */
  readonly isSnapshot: boolean;
}

/**
 * `reserved`: an engine may write it; `reported`: an engine said that it did, and that is being verified; `durable`: verified and
 * synced, listed from here on, and never changed. What is dropped has no record.
 */
export type SegmentState = "reserved" | "reported" | "durable";

/** The end of a segment on its chain: a grid point, or a leaf `leaf.length` units after it. */
export interface ChainPlace {
  /** The digest of the anchor: the point `offset` grid steps before `grid`. */
  readonly anchor: Digest;
  readonly offset: number;
  readonly grid: Digest;
  readonly leaf: { readonly length: number; readonly digest: Digest } | undefined;
}

/** The digest of all tokens before the segment, and its end. From these its place in any namespace is computed. */
export interface SegmentChain {
  readonly before: Digest;
  readonly end: ChainPlace;
}

/** Where a segment is found in the index of one namespace: a `ChainPlace` under that namespace's key. */
export interface IndexPlace {
  readonly anchorKey: Digest;
  readonly offset: number;
  readonly gridKey: Digest;
  readonly leaf: { readonly length: number; readonly key: Digest } | undefined;
}

/** Whose index: that of a tenant's sessions, or of one of its prefixes. */
export interface Namespace {
  readonly tenant: string;
  readonly prefix: string | undefined;
}

/** A segment in one namespace: it is in the index there as long as this is. */
export interface PlacedSegment {
  readonly segment: SegmentId;
  readonly namespace: Namespace;
  readonly tokenStart: number;
  readonly place: IndexPlace;
  /** Those of the namespace who list it; at least 1. */
  readonly refs: number;
}

/** At most so many copies has a segment, the first one included: each at a location of its own. */
export const COPIES_LIMIT = 16;

/**
 * A whole copy of a segment besides its first one: the operator's, so that it is charged to nobody. Made by us, checked and durable
 * before it was recorded, in a file with nothing else in it.
 */
export interface Replica extends FileRef {
  readonly kvStart: number;
}

/** Of each point of a `SnapshotText`. */
export const SNAPSHOT_POINT_BYTES = 8;

/** Of the prompt that a snapshot was saved after: enough to tell how far another text goes along. */
export interface SnapshotText {
  /** Bytes of it, those after the last grid point included. */
  readonly units: number;
  /** The first 8 bytes of each grid digest, one after the other, without that of the start. */
  readonly points: Uint8Array;
}

/**
 * Tokens whose KV is stored, in one copy or more. Ids, references, places and charges are of the segment; `file` and `kvStart` are
 * of its first copy. What is handed out to be read may have another copy in its place: see `copies.ts`.
 */
export interface Segment {
  readonly id: SegmentId;
  /** Who is charged: the tenant that stored it, or that which has listed it for longest since the other has not. */
  readonly tenant: string;
  readonly turn: TurnId;
  readonly state: SegmentState;
  /** Of the session that stored it, as it was then: for people and metrics. */
  readonly retentionClass: string;
  readonly geometry: GeometryKey;
  readonly file: FileRef;
  /**
   * The oldest first; none unless it is `durable`. Never two copies at one location. When the first copy is lost, the oldest of these
   * takes its place.
   */
  readonly replicas: readonly Replica[];
  readonly tokenStart: number;
  /** As reserved, until the engine's own length is reported. */
  readonly tokenLength: number;
  readonly kvStart: number;
  /** Of these tokens, over all ranks: what the tenant is charged. */
  readonly bytes: number;
  /** Present unless `reserved`. */
  readonly chain: SegmentChain | undefined;
  /** In its tenant's namespace; present while it is `reported`. */
  readonly place: IndexPlace | undefined;
  /** CRC-32 of the bytes; 0 until `durable`. */
  readonly crc: number;
  /** Sessions and prefixes that list it: at least 1 when `durable`, else 0. */
  readonly refs: number;
  /** By plans. A pass of the sweep writes this and `timesRead`, so that they are late by one, and lack the last reads before a kill. */
  readonly lastReadAtMs: number;
  readonly timesRead: number;
  /** Of a snapshot: it begins at token 0 and at the start of its object, is durable from the first, and has a geometry that nothing else has. */
  readonly snapshot: SnapshotText | undefined;
}

/** One that nobody can be given any more, while the references to it are not all dropped yet. */
export interface WithdrawnSegment {
  readonly id: SegmentId;
  readonly tokenStart: number;
  /** Sessions and prefixes that still refer to it; at least 1. */
  readonly refs: number;
}

/** Which process of which engine writes: its start identity, only ever compared. */
export type EngineInstance = string;

export interface Turn {
  readonly id: TurnId;
  readonly session: SessionKey;
  readonly state: "reserved" | "reported";
  /** Passed, the turn is aborted: by the sweeper, or by whoever meets it first. */
  readonly deadlineMs: number;
  readonly engine: EngineInstance | undefined;
  readonly file: FileRef;
  /** Less what its report says that it will not use. */
  readonly reservedBytes: number;
  readonly tokenBytes: number;
  readonly rankTokenBytes: number;
  /** Its parts that are neither durable nor dropped; never empty. */
  readonly pending: readonly SegmentId[];
}

/** What a tenant's quota is held against. */
export interface TenantUsage {
  readonly tenant: string;
  /** Of all its segments: reservations at full length, then what was committed. */
  readonly bytes: number;
  readonly sessions: number;
  /** Pinned sessions, and prefixes. */
  readonly pins: number;
}

/** What a location's space is held against, and what it holds. */
export interface LocationUsage {
  readonly location: string;
  /** Of all its files until they are unlinked: up to their high-water marks, without what engines said they leave unused. */
  readonly bookedBytes: number;
  /** The part of it in open reservations, sparse perhaps, and in copies that are being made. */
  readonly unwrittenBytes: number;
  /** Of the copies here, first ones and replicas, of durable segments that somebody refers to. */
  readonly referencedBytes: number;
  /** Replicas here, and the part of `referencedBytes` that is theirs. */
  readonly replicas: number;
  readonly replicaBytes: number;
  /** Of `bookedBytes`, what is in files that nothing refers to and nobody writes to, nor a copy is made in: free when they are unlinked. */
  readonly idleBytes: number;
}

/** How many segments of one class and state have their first copy at a location: each segment counts once. */
export interface SegmentCount {
  readonly location: string;
  readonly retentionClass: string;
  readonly state: SegmentState;
  readonly segments: number;
  readonly bytes: number;
}
