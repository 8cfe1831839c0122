/** The schema of each record: the fields in the order in which they lie in its bytes. */
import type { ObjectName, ObjectStat } from "../location.ts";
import type {
  ChainPlace,
  FileRef,
  IndexPlace,
  LocationUsage,
  LoweredSession,
  Namespace,
  PlacedSegment,
  Prefix,
  Replica,
  Retention,
  Segment,
  SegmentChain,
  SegmentCount,
  SegmentId,
  Session,
  SessionKey,
  SnapshotText,
  StoredFile,
  TenantUsage,
  Turn,
  TurnId,
  WithdrawnSegment,
} from "../records.ts";
import {
  bytes,
  type Codec,
  flag,
  list,
  oneOf,
  optional,
  record,
  text,
  textOf,
  uint,
} from "./codec.ts";

const sessionKey = record<SessionKey>({ tenant: text, id: text });
const fileRef = record<FileRef>({ location: text, name: textOf<ObjectName>() });
const replica = record<Replica>({ location: text, name: textOf<ObjectName>(), kvStart: uint });
/** Of a store, which may count finer than we do, and from before 1970. */
const wallTime: Codec<number> = {
  write: (out, value) => uint.write(out, Math.max(0, Math.trunc(value))),
  read: (from) => uint.read(from),
};
const objectStat = record<ObjectStat>({
  sizeBytes: uint,
  identity: text,
  content: text,
  modifiedAtMs: wallTime,
});
const retention = record<Retention>({
  name: text,
  ttlMs: uint,
  maxAgeMs: uint,
  priority: uint,
  pinLimitMs: uint,
  admission: oneOf("always", "second_hit"),
});
const chainPlace = record<ChainPlace>({
  anchor: bytes,
  offset: uint,
  grid: bytes,
  leaf: optional(record<NonNullable<ChainPlace["leaf"]>>({ length: uint, digest: bytes })),
});
const segmentChain = record<SegmentChain>({ before: bytes, end: chainPlace });
const indexPlace = record<IndexPlace>({
  anchorKey: bytes,
  offset: uint,
  gridKey: bytes,
  leaf: optional(record<NonNullable<IndexPlace["leaf"]>>({ length: uint, key: bytes })),
});
const snapshotText = record<SnapshotText>({ units: uint, points: bytes });
const namespace = record<Namespace>({ tenant: text, prefix: optional(text) });

export const sessionCodec = record<Session>({
  tenant: text,
  id: text,
  life: uint,
  model: text,
  retention,
  parent: optional(text),
  createdAtMs: uint,
  expiresAtMs: uint,
  pinnedUntilMs: uint,
  file: optional(fileRef),
  leasedBy: optional(textOf<TurnId>()),
  turns: list(textOf<TurnId>()),
  segments: uint,
});

export const loweredCodec = record<LoweredSession>({
  tenant: text,
  id: text,
  life: uint,
  after: text,
});

export const segmentCodec = record<Segment>({
  id: textOf<SegmentId>(),
  tenant: text,
  turn: textOf<TurnId>(),
  state: oneOf("reserved", "reported", "durable"),
  retentionClass: text,
  geometry: bytes,
  file: fileRef,
  replicas: list(replica),
  tokenStart: uint,
  tokenLength: uint,
  kvStart: uint,
  bytes: uint,
  chain: optional(segmentChain),
  place: optional(indexPlace),
  crc: uint,
  refs: uint,
  lastReadAtMs: uint,
  timesRead: uint,
  snapshot: optional(snapshotText),
});

export const withdrawnCodec = record<WithdrawnSegment>({
  id: textOf<SegmentId>(),
  tokenStart: uint,
  refs: uint,
});

export const placedSegmentCodec = record<PlacedSegment>({
  segment: textOf<SegmentId>(),
  namespace,
  tokenStart: uint,
  place: indexPlace,
  refs: uint,
});

const readers: Codec<Prefix["to"]> = {
  write: (out, value) => optional(list(text)).write(out, value === "everyone" ? undefined : value),
  read: (from) => optional(list(text)).read(from) ?? "everyone",
};

export const prefixCodec = record<Prefix>({
  tenant: text,
  name: text,
  to: readers,
  createdAtMs: uint,
  expiresAtMs: optional(uint),
  segments: uint,
});

export const turnCodec = record<Turn>({
  id: textOf<TurnId>(),
  session: sessionKey,
  state: oneOf("reserved", "reported"),
  deadlineMs: uint,
  engine: optional(text),
  file: fileRef,
  reservedBytes: uint,
  tokenBytes: uint,
  rankTokenBytes: uint,
  pending: list(textOf<SegmentId>()),
});

export const fileCodec = record<StoredFile>({
  location: text,
  name: textOf<ObjectName>(),
  tenant: text,
  creator: text,
  highWaterBytes: uint,
  unusedBytes: uint,
  isSealed: flag,
  openReservations: uint,
  committedBytes: uint,
  referencedBytes: uint,
  replicaBytes: uint,
  lastReservationEndMs: uint,
  readScore: uint,
  priorityFloor: uint,
  leasedUntilMs: uint,
  stat: optional(objectStat),
  isSnapshot: flag,
});

export const tenantUsageCodec = record<TenantUsage>({
  tenant: text,
  bytes: uint,
  sessions: uint,
  pins: uint,
});

export const segmentCountCodec = record<SegmentCount>({
  location: text,
  retentionClass: text,
  state: oneOf("reserved", "reported", "durable"),
  segments: uint,
  bytes: uint,
});

export const locationUsageCodec = record<LocationUsage>({
  location: text,
  bookedBytes: uint,
  unwrittenBytes: uint,
  referencedBytes: uint,
  replicas: uint,
  replicaBytes: uint,
  idleBytes: uint,
});

/** A segment that ends at a place in the index. */
export interface IndexedSegment {
  readonly tokenStart: number;
  readonly segment: SegmentId;
}

/** How many entries of the index lie at one offset below another. */
export interface OffsetCount {
  readonly offset: number;
  readonly entries: number;
}

const offsetCounts = list(record<OffsetCount>({ offset: uint, entries: uint }));

/** What the index has at one grid point or leaf: durable segments that end there, and the leaves below it by their lengths. */
export interface ChainEntry {
  readonly ends: readonly IndexedSegment[];
  readonly leaves: readonly OffsetCount[];
}

export const chainEntryCodec = record<ChainEntry>({
  ends: list(record<IndexedSegment>({ tokenStart: uint, segment: textOf<SegmentId>() })),
  leaves: offsetCounts,
});

/** What an anchor has: the grid points with an entry, by their steps from the anchor. */
export const anchorEntryCodec = offsetCounts;
