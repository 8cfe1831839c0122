/**
 * The tables, and all that follows from their records: what is due when, what a tenant is charged, what a location holds, what is
 * still referred to in a file, where a chain is found. `audit.ts` recomputes each of them from the records alone.
 */
import {
  bookedBytesOf,
  type FileRef,
  type Holder,
  isSameFile,
  type LocationUsage,
  type PlacedSegment,
  type Prefix,
  type PrefixKey,
  type Segment,
  type SegmentCount,
  type SegmentId,
  type Session,
  type SessionKey,
  type SessionLife,
  type StoredFile,
  type TenantUsage,
  type Turn,
  type TurnId,
  type WithdrawnSegment,
} from "../records.ts";
import { indexSegment, unindexSegment } from "./chain-index.ts";
import {
  compactableKey,
  countKey,
  type CountId,
  dueKey,
  ENDED,
  endedKey,
  evictableKey,
  fileKey,
  inFileKey,
  inFilePrefix,
  locationKey,
  parseReference,
  type PlaceId,
  placeKey,
  prefixKey,
  type PrefixReaders,
  readerKey,
  scan,
  segmentKey,
  sessionKey,
  tenantKey,
  turnKey,
  WITHDRAWN,
  withdrawnKey,
} from "./keys.ts";
import { readsPerByte } from "./read-score.ts";
import {
  fileCodec,
  locationUsageCodec,
  placedSegmentCodec,
  prefixCodec,
  segmentCodec,
  segmentCountCodec,
  sessionCodec,
  tenantUsageCodec,
  turnCodec,
  withdrawnCodec,
} from "./record-codecs.ts";
import { isRemoved } from "./removed-prefix.ts";
import { Table } from "./table.ts";
import type { CatalogTransaction, CatalogView } from "./transaction.ts";

export const tenants = new Table<{ readonly tenant: string }, TenantUsage>({
  prefix: "u",
  keyOf: ({ tenant }) => tenantKey(tenant),
  codec: tenantUsageCodec,
});

export const locations = new Table<{ readonly location: string }, LocationUsage>({
  prefix: "l",
  keyOf: ({ location }) => locationKey(location),
  codec: locationUsageCodec,
});

export const segmentCounts = new Table<CountId, SegmentCount>({
  prefix: "h",
  keyOf: countKey,
  codec: segmentCountCodec,
});

/** Due when its pin lapses, then when it expires. */
export const sessions = new Table<SessionKey, Session>({
  prefix: "s",
  keyOf: sessionKey,
  codec: sessionCodec,
  indexesOf: (session) => {
    const { pinnedUntilMs, expiresAtMs } = session;
    return [dueKey("e", pinnedUntilMs || expiresAtMs, sessionKey(session))];
  },
  changed(tx, before, after) {
    const session = before ?? after;
    if (session === undefined) return;
    const count = Number(after !== undefined) - Number(before !== undefined);
    const pins = pinsOf(after) - pinsOf(before);
    if (count !== 0 || pins !== 0) chargeTenant(tx, session.tenant, { sessions: count, pins });
  },
});

/** Gone for everybody, and counted as no session of its tenant; `sweep` drops what they still list, and then them. */
export const ended = new Table<SessionLife, Session>({
  prefix: ENDED,
  keyOf: endedKey,
  codec: sessionCodec,
});

/** Of the table in which the session is that lists as this holder. */
export function sessionsWith(view: CatalogView, holder: Holder): Table<SessionLife, Session> {
  return sessions.get(view, holder)?.life === holder.life ? sessions : ended;
}

export const prefixes = new Table<PrefixKey, Prefix>({
  prefix: "p",
  keyOf: prefixKey,
  codec: prefixCodec,
  indexesOf: (prefix) => {
    const { to, expiresAtMs } = prefix;
    const others: readonly PrefixReaders[] =
      to === "everyone"
        ? [{ kind: "everyone" }]
        : to.map((reader) => ({ kind: "tenant", tenant: reader }));
    const readers: readonly PrefixReaders[] = isRemoved(prefix)
      ? []
      : [{ kind: "owner" }, ...others];
    const due = expiresAtMs === undefined ? [] : [dueKey("x", expiresAtMs, prefixKey(prefix))];
    return [...readers.map((each) => readerKey(each, prefix)), ...due];
  },
  changed(tx, before, after) {
    const prefix = before ?? after;
    const pins = Number(isPin(after)) - Number(isPin(before));
    if (prefix !== undefined && pins !== 0) chargeTenant(tx, prefix.tenant, { pins });
  },
});

/** An idle one is due `quarantineMs` after it was last written or read. */
export const files = new Table<FileRef, StoredFile>({
  prefix: "f",
  keyOf: fileKey,
  codec: fileCodec,
  indexesOf(file) {
    if (isIdle(file)) {
      const sinceMs = Math.max(file.lastReservationEndMs, file.leasedUntilMs);
      return [dueKey("q", sinceMs, fileKey(file))];
    }
    const rank = { priority: file.priorityFloor, readsPerByte: readsPerByte(file) };
    return [
      ...(isEvictable(file) ? [evictableKey(file, rank)] : []),
      ...(isCompactable(file) ? [compactableKey(file)] : []),
    ];
  },
  changed(tx, before, after) {
    const location = (before ?? after)?.location;
    if (location === undefined) return;
    const [old, now] = [spaceOf(before), spaceOf(after)];
    chargeLocation(tx, location, {
      bookedBytes: now.bookedBytes - old.bookedBytes,
      referencedBytes: now.referencedBytes - old.referencedBytes,
      idleBytes: now.idleBytes - old.idleBytes,
    });
  },
});

export const turns = new Table<Pick<Turn, "id">, Turn>({
  prefix: "t",
  keyOf: ({ id }) => turnKey(id),
  codec: turnCodec,
  indexesOf: ({ id, deadlineMs }) => [dueKey("d", deadlineMs, turnKey(id))],
  changed(tx, before, after) {
    const turn = before ?? after;
    const opened = Number(after !== undefined) - Number(before !== undefined);
    if (turn === undefined) return;
    if (opened !== 0) {
      files.update(tx, turn.file, (file) => ({
        ...file,
        openReservations: file.openReservations + opened,
      }));
    }
    const unwrittenBytes = (after?.reservedBytes ?? 0) - (before?.reservedBytes ?? 0);
    chargeLocation(tx, turn.file.location, { unwrittenBytes });
  },
});

export const segments = new Table<Pick<Segment, "id">, Segment>({
  prefix: "g",
  keyOf: ({ id }) => segmentKey(id),
  codec: segmentCodec,
  indexesOf: (segment) => (segment.state === "durable" ? [inFileKey(segment)] : []),
  changed(tx, before, after) {
    const segment = before ?? after;
    if (segment === undefined) return;
    chargeBytes(tx, before, after);
    countSegment(tx, before, after);
    const [left, taken] = [durableBytes(before), durableBytes(after)];
    const isMoved = before && after && !isSameFile(before.file, after.file);
    if (before !== undefined && left > 0 && (taken === 0 || isMoved)) leaveFile(tx, before);
    if (after !== undefined && taken > 0 && (left === 0 || isMoved)) enterFile(tx, after);
  },
});

/**
 * Charged to nobody, in no file, and given to nobody, though references and the index still name them; `sweep` drops those, and
 * then them.
 */
export const withdrawn = new Table<Pick<Segment, "id">, WithdrawnSegment>({
  prefix: WITHDRAWN,
  keyOf: ({ id }) => withdrawnKey(id),
  codec: withdrawnCodec,
});

/** The index has a segment exactly while it has a place. */
export const places = new Table<PlaceId, PlacedSegment>({
  prefix: "n",
  keyOf: placeKey,
  codec: placedSegmentCodec,
  changed(tx, before, after) {
    if (before === undefined && after !== undefined) indexSegment(tx, after);
    if (before !== undefined && after === undefined) unindexSegment(tx, before);
  },
});

export const segmentAt = (view: CatalogView, id: SegmentId): Segment | undefined =>
  segments.get(view, { id });
export const turnAt = (view: CatalogView, id: TurnId): Turn | undefined => turns.get(view, { id });

/** The durable ones, by token end, the last one first. */
export function listInFile(view: CatalogView, file: FileRef, limit: number): readonly SegmentId[] {
  const prefix = inFilePrefix(file);
  return scan(view, prefix, limit).map(({ key }) => parseReference(prefix, key));
}

export function segmentsIn(view: CatalogView, file: FileRef, limit: number): readonly Segment[] {
  return listInFile(view, file, limit).map((id) => segments.must(view, { id }));
}

/** What nobody was charged has no record. */
export function tenantUsage(view: CatalogView, tenant: string): TenantUsage {
  return tenants.get(view, { tenant }) ?? { tenant, bytes: 0, sessions: 0, pins: 0 };
}

export function locationUsage(view: CatalogView, location: string): LocationUsage {
  const none = { bookedBytes: 0, unwrittenBytes: 0, referencedBytes: 0, idleBytes: 0 };
  return locations.get(view, { location }) ?? { location, ...none };
}

export function isIdle(file: StoredFile): boolean {
  return file.isSealed && file.openReservations === 0 && file.referencedBytes === 0;
}

function enterFile(tx: CatalogTransaction, { file: ref, bytes }: Segment): void {
  files.update(tx, ref, (file) => ({
    ...file,
    referencedBytes: file.referencedBytes + bytes,
    committedBytes: file.committedBytes + bytes,
  }));
}

function leaveFile(tx: CatalogTransaction, { file: ref, bytes }: Segment): void {
  files.update(tx, ref, (file) => ({
    ...file,
    referencedBytes: file.referencedBytes - bytes,
    priorityFloor: 0,
  }));
}

/** Whether an eviction may look at it: something is to be gained, and nobody writes to it. */
function isEvictable(file: StoredFile): boolean {
  return file.openReservations === 0 && file.referencedBytes > 0;
}

function isCompactable(file: StoredFile): boolean {
  return isEvictable(file) && file.isSealed && 2 * file.referencedBytes < file.committedBytes;
}

function spaceOf(file: StoredFile | undefined) {
  if (file === undefined) return { bookedBytes: 0, referencedBytes: 0, idleBytes: 0 };
  const bookedBytes = bookedBytesOf(file);
  const { referencedBytes } = file;
  return { bookedBytes, referencedBytes, idleBytes: isIdle(file) ? bookedBytes : 0 };
}

function isPin(prefix: Prefix | undefined): boolean {
  return prefix !== undefined && !isRemoved(prefix);
}

function pinsOf(session: Session | undefined): number {
  return session !== undefined && session.pinnedUntilMs > 0 ? 1 : 0;
}

function durableBytes(segment: Segment | undefined): number {
  return segment?.state === "durable" ? segment.bytes : 0;
}

function chargeBytes(
  tx: CatalogTransaction,
  before: Segment | undefined,
  after: Segment | undefined,
): void {
  if (before?.tenant === after?.tenant && before?.bytes === after?.bytes) return;
  if (before !== undefined) chargeTenant(tx, before.tenant, { bytes: -before.bytes });
  if (after !== undefined) chargeTenant(tx, after.tenant, { bytes: after.bytes });
}

function countSegment(
  tx: CatalogTransaction,
  before: Segment | undefined,
  after: Segment | undefined,
): void {
  const [from, to] = [before, after].map((each) => each && countKey(countIdOf(each)));
  if (from === to && before?.bytes === after?.bytes) return;
  if (before !== undefined) addToCount(tx, before, -1);
  if (after !== undefined) addToCount(tx, after, 1);
}

function addToCount(tx: CatalogTransaction, segment: Segment, sign: 1 | -1): void {
  const id = countIdOf(segment);
  const known = segmentCounts.get(tx, id) ?? { ...id, segments: 0, bytes: 0 };
  const count = {
    ...id,
    segments: known.segments + sign,
    bytes: known.bytes + sign * segment.bytes,
  };
  if (count.segments === 0) segmentCounts.delete(tx, id);
  else segmentCounts.save(tx, count);
}

function countIdOf({ file, retentionClass, state }: Segment): CountId {
  return { location: file.location, retentionClass, state };
}

function chargeTenant(
  tx: CatalogTransaction,
  tenant: string,
  more: Partial<Pick<TenantUsage, "bytes" | "sessions" | "pins">>,
): void {
  const { bytes, sessions: count, pins } = tenantUsage(tx, tenant);
  const usage = {
    tenant,
    bytes: bytes + (more.bytes ?? 0),
    sessions: count + (more.sessions ?? 0),
    pins: pins + (more.pins ?? 0),
  };
  if (usage.bytes + usage.sessions + usage.pins === 0) tenants.delete(tx, usage);
  else tenants.save(tx, usage);
}

type LocationSums = Omit<LocationUsage, "location">;

function chargeLocation(
  tx: CatalogTransaction,
  location: string,
  more: Partial<LocationSums>,
): void {
  if (!Object.values(more).some((value) => value !== 0)) return;
  const known = locationUsage(tx, location);
  const usage = {
    location,
    bookedBytes: known.bookedBytes + (more.bookedBytes ?? 0),
    unwrittenBytes: known.unwrittenBytes + (more.unwrittenBytes ?? 0),
    referencedBytes: known.referencedBytes + (more.referencedBytes ?? 0),
    idleBytes: known.idleBytes + (more.idleBytes ?? 0),
  };
  if (usage.bookedBytes + usage.unwrittenBytes === 0) locations.delete(tx, usage);
  else locations.save(tx, usage);
}
