/**
 * The rules of the catalog by which room is made and bytes stay whole: what the background upkeep asks for. A request for room is
 * met by whole files, since a byte range is never handed out twice: the room is there when the file is unlinked, which `sweep`
 * says. Every rule takes a limit, because it holds the event loop for as long as it runs.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { ObjectStat, SpaceLimits } from "./location.ts";
import type {
  FileRef,
  LocationUsage,
  Segment,
  SegmentCount,
  SegmentId,
  StoredFile,
} from "./records.ts";

/** Who found too little room: a reservation, at its session's priority; or a reader, for whom only what others can do without may go. */
export type RoomFor = number | "reading";

/** A reservation that was refused for want of space, or left less than the headroom; or a copy for reading that found none. */
export interface Pressure {
  readonly location: string;
  readonly priority: RoomFor;
  /** That were refused; 0 where there was room. */
  readonly bytes: number;
}

export interface EvictRequest {
  readonly location: string;
  /** To be freed there. What waits in quarantine already (`LocationUsage.idleBytes`) is the caller's to subtract. */
  readonly bytes: number;
  /** Nothing that a session of a higher one refers to is evicted. For reading: nothing but copies that have another one, whosesoever. */
  readonly priority: RoomFor;
  /** Those that are there and answer: a copy that lies elsewhere does not make another one spare. */
  readonly locations: ReadonlySet<string>;
  readonly nowMs: number;
  /** Sessions, files and segments together, roughly: the last file is looked at as a whole. */
  readonly limit: number;
}

export interface EvictReport {
  /** Sessions that had expired, and were not swept yet; of any location. */
  readonly expiredSessions: number;
  /** Evicted whole. Of segments that very many list the sweep drops the references. One that the limit cut short is sealed, has lost its last segments, and comes first in the next pass. */
  readonly files: number;
  /** Gone with their last copy. */
  readonly segments: number;
  /** Copies of segments that have another one. */
  readonly copies: number;
  /** Of files of the location that became idle by this, as they are booked. */
  readonly bytes: number;
  /** Less than was asked for. */
  readonly isShort: boolean;
  /** The limit was reached, so there may be more. */
  readonly isFull: boolean;
}

/** A file of which less than half is still referred to, of all that ever became durable in it. */
export interface CompactableFile {
  readonly file: StoredFile;
  /** By token end, highest first, each in its copy there. */
  readonly segments: readonly Segment[];
}

export interface CompactableRequest {
  /** The last file of the page before; undefined for the first. */
  readonly after: FileRef | undefined;
  readonly limit: number;
}

/** A name that was never there, and the room that its location has. */
export interface NewObject extends FileRef {
  readonly limits: SpaceLimits;
  /** Of the device, as the location said last. */
  readonly freeBytes: number;
}

export interface CopyRequest {
  readonly segment: SegmentId;
  readonly newFile: NewObject;
  readonly nowMs: number;
  /** Neither moved to nor added by then, the copy is unlinked after its quarantine. */
  readonly deadlineMs: number;
}

/** `gone`: the segment is not there, or not durable. */
export type OpenCopyOutcome = "opened" | "file_exists" | "no_space" | "gone";

export interface AddReplicaRequest {
  readonly segment: SegmentId;
  /** From `openCopy`; it holds the segment's bytes and nothing else, checked and durable. */
  readonly to: FileRef;
  readonly stat: ObjectStat;
  readonly nowMs: number;
}

/** `from`: the copy whose place it takes. */
export interface MoveRequest extends AddReplicaRequest {
  readonly from: FileRef;
}

/** One copy of a segment. */
export interface CopyOf {
  readonly segment: SegmentId;
  readonly file: FileRef;
}

/** `file`: where it was found damaged. */
export type CondemnRequest = CopyOf;

export interface DropReplicaRequest extends CopyOf {
  /** Those that there are now: only a copy at one of them can take its place. */
  readonly locations: ReadonlySet<string>;
  readonly nowMs: number;
}

/** `last`: there is no other copy, and it stays. `gone`: there is no such copy. */
export type DropReplicaOutcome = "dropped" | "last" | "gone";

export interface CatalogTotals {
  readonly locations: readonly LocationUsage[];
  /** What there is none of is left out. */
  readonly segments: readonly SegmentCount[];
}

export interface SpaceRules {
  /**
   * Ends expired sessions, then drops the files of the location with the lowest (priority, reads per byte), until enough bytes
   * became idle. Never one that an open reservation writes to, nor the last copy of what a pinned session or a prefix refers to. Of
   * equal priority, files with nothing but replicas go first. What is dropped is the copy there; a segment goes with its last one.
   */
  evict(request: EvictRequest): Promise<EvictReport>;
  /** By location and name. A file that cannot be compacted now is met again in the next round. */
  compactable(request: CompactableRequest): MaybePromise<readonly CompactableFile[]>;
  /** Books the copy before it is made, so that a crash leaves no object that nobody knows. */
  openCopy(request: CopyRequest): Promise<OpenCopyOutcome>;
  /**
   * From here on the segment is read in the copy. Who was told of the old file reads on in it: its quarantine starts anew.
   * False, and nothing changes, if the segment has gone or moved since, has another copy at that location, or the copy's deadline
   * has passed.
   */
  moveSegment(request: MoveRequest): Promise<boolean>;
  /**
   * From here on the segment may be read in the copy as well. False, and nothing changes, if the segment has gone, has a copy at that
   * location or as many as it may have, or the copy's deadline has passed.
   */
  addReplica(request: AddReplicaRequest): Promise<boolean>;
  /**
   * The segment is not read in that copy any more, first or not, as long as there is another. Who was told of it reads on in it: the
   * quarantine of its file starts anew.
   */
  dropReplica(request: DropReplicaRequest): Promise<DropReplicaOutcome>;
  /**
   * A copy of a durable segment turned out to be damaged, and is dropped. With the last one the segment goes: from here on nobody
   * lists it, is given it or is charged for it. The sweep drops the references to it, which count as listed by their holders until
   * then. False if there is none in that file.
   */
  condemn(request: CondemnRequest): Promise<boolean>;
  /** The durable segment that comes after this one by id, whether that is still there or not; the first after undefined. */
  nextSegment(after: SegmentId | undefined): MaybePromise<Segment | undefined>;
  /** What was kept last, before a restart too. */
  scrubPosition(): MaybePromise<SegmentId | undefined>;
  keepScrubPosition(id: SegmentId | undefined): Promise<void>;
  /** Exact, and cheap: one record for each location. */
  totals(): MaybePromise<CatalogTotals>;
}
