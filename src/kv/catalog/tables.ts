/**
 * The tables, and all that follows from their records: what is due when, what is still referred to in a file, where a chain is
 * found, and the sums of `sums.ts`. `audit.ts` recomputes each of them from the records alone.
 */
import {
  bookedBytesOf,
  type FileRef,
  type Holder,
  isSameFile,
  type LoweredSession,
  type PlacedSegment,
  type Prefix,
  type PrefixKey,
  type Replica,
  type Segment,
  type SegmentId,
  type Session,
  type SessionKey,
  type SessionLife,
  type StoredFile,
  type Turn,
  type TurnId,
  type WithdrawnSegment,
} from "../records.ts";
import { copiesOf, inFile } from "../copies.ts";
import { indexSegment, unindexSegment } from "./chain-index.ts";
import {
  compactableKey,
  dueKey,
  ENDED,
  endedKey,
  evictableKey,
  fileKey,
  inFileKey,
  inFilePrefix,
  LOWERED,
  loweredKey,
  parseReference,
  type PlaceId,
  placeKey,
  prefixKey,
  type PrefixReaders,
  readerKey,
  scan,
  segmentKey,
  sessionKey,
  turnKey,
  WITHDRAWN,
  withdrawnKey,
} from "./keys.ts";
import { readsPerByte } from "./read-score.ts";
import {
  fileCodec,
  loweredCodec,
  placedSegmentCodec,
  prefixCodec,
  segmentCodec,
  sessionCodec,
  turnCodec,
  withdrawnCodec,
} from "./record-codecs.ts";
import { isRemoved, isThere } from "./prefix-state.ts";
import { chargeBytes, chargeLocation, chargeTenant, countSegment } from "./sums.ts";
import { Table } from "./table.ts";
import type { CatalogTransaction, CatalogView } from "./transaction.ts";

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

/** Sessions, there or ended, that were worth more; `sweep` tells the files that do not know it, and then forgets them here. */
export const lowered = new Table<SessionLife, LoweredSession>({
  prefix: LOWERED,
  keyOf: loweredKey,
  codec: loweredCodec,
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
    const readers: readonly PrefixReaders[] = isThere(prefix) ? [{ kind: "owner" }, ...others] : [];
    const due = expiresAtMs === undefined ? [] : [dueKey("x", expiresAtMs, prefixKey(prefix))];
    return [...readers.map((each) => readerKey(each, prefix)), ...due];
  },
  changed(tx, before, after) {
    const prefix = before ?? after;
    const pins = Number(isPin(after)) - Number(isPin(before));
    if (prefix !== undefined && pins !== 0) chargeTenant(tx, prefix.tenant, { pins });
  },
});

/** An idle one is due `quarantineMs` after it was last written or read, or as soon as nobody reads it. */
export const files = new Table<FileRef, StoredFile>({
  prefix: "f",
  keyOf: fileKey,
  codec: fileCodec,
  indexesOf(file) {
    if (isIdle(file)) {
      const sinceMs = Math.max(file.lastReservationEndMs, file.leasedUntilMs);
      return [dueKey(hasQuarantine(file) ? "q" : "a", sinceMs, fileKey(file))];
    }
    const rank = {
      priority: file.priorityFloor,
      hasFirstCopies: hasFirstCopies(file),
      readsPerByte: readsPerByte(file),
    };
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
      replicaBytes: now.replicaBytes - old.replicaBytes,
      unwrittenBytes: now.unwrittenBytes - old.unwrittenBytes,
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
  indexesOf: (segment) => durableCopies(segment).map((copy) => inFileKey(copy, segment)),
  changed(tx, before, after) {
    const segment = before ?? after;
    if (segment === undefined) return;
    chargeBytes(tx, before, after);
    countSegment(tx, before, after);
    const [had, has] = [durableCopies(before), durableCopies(after)];
    for (const copy of without(had, has)) leaveFile(tx, copy, segment);
    for (const copy of without(has, had)) enterFile(tx, copy, segment);
    countReplicas(tx, segment, { left: had.slice(1), taken: has.slice(1) });
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

/** The durable ones with a copy there, by token end, the last one first. */
export function listInFile(view: CatalogView, file: FileRef, limit: number): readonly SegmentId[] {
  const prefix = inFilePrefix(file);
  return scan(view, prefix, limit).map(({ key }) => parseReference(prefix, key));
}

/** Each in its copy there. */
export function segmentsIn(view: CatalogView, file: FileRef, limit: number): readonly Segment[] {
  return listInFile(view, file, limit).flatMap(
    (id) => inFile(segments.must(view, { id }), file) ?? [],
  );
}

/** Whether segments are in it that may have no other copy. */
export function hasFirstCopies({ replicaBytes, referencedBytes }: StoredFile): boolean {
  return replicaBytes < referencedBytes;
}

export function isIdle(file: StoredFile): boolean {
  return file.isSealed && file.openReservations === 0 && file.referencedBytes === 0;
}

/** A copy is being made in it, or was to be and never came: until it is unlinked, its room is no room to come. */
export function isAwaited({
  committedBytes,
  leasedUntilMs,
}: Pick<StoredFile, "committedBytes" | "leasedUntilMs">): boolean {
  return committedBytes === 0 && leasedUntilMs > 0;
}

/**
 * Room for a copy of which nothing has a name yet. All of it counts as unwritten until then: what is written meanwhile is gone from the
 * device's free bytes as well, so that too little is promised for a while, and never too much.
 */
export function isBeingMade(file: StoredFile): boolean {
  return isAwaited(file) && file.stat === undefined;
}

/**
 * Whether it may be touched after its last reservation and its leases have ended: by an engine that writes late, or by us who have been too long making it.
 */
export function hasQuarantine({ isSnapshot, committedBytes }: StoredFile): boolean {
  return !isSnapshot || committedBytes === 0;
}

function enterFile(tx: CatalogTransaction, ref: FileRef, { bytes }: Segment): void {
  files.update(tx, ref, (file) => ({
    ...file,
    referencedBytes: file.referencedBytes + bytes,
    committedBytes: file.committedBytes + bytes,
  }));
}

function leaveFile(tx: CatalogTransaction, ref: FileRef, { bytes }: Segment): void {
  files.update(tx, ref, (file) => ({
    ...file,
    referencedBytes: file.referencedBytes - bytes,
    priorityFloor: 0,
  }));
}

interface ReplicaChange {
  readonly left: readonly Replica[];
  readonly taken: readonly Replica[];
}

/** A replica that becomes the first copy stays in its file, and counts as none from there on. */
function countReplicas(
  tx: CatalogTransaction,
  { bytes }: Segment,
  { left, taken }: ReplicaChange,
): void {
  const count = (copy: Replica, sign: 1 | -1) => {
    files.update(tx, copy, (file) => ({
      ...file,
      replicaBytes: file.replicaBytes + sign * bytes,
    }));
    chargeLocation(tx, copy.location, { replicas: sign });
  };
  for (const copy of without(left, taken)) count(copy, -1);
  for (const copy of without(taken, left)) count(copy, 1);
}

/** Whether an eviction may look at it: something is to be gained, and nobody writes to it. */
function isEvictable(file: StoredFile): boolean {
  return file.openReservations === 0 && file.referencedBytes > 0;
}

function isCompactable(file: StoredFile): boolean {
  return isEvictable(file) && file.isSealed && 2 * file.referencedBytes < file.committedBytes;
}

function spaceOf(file: StoredFile | undefined) {
  if (file === undefined) {
    return { bookedBytes: 0, referencedBytes: 0, replicaBytes: 0, unwrittenBytes: 0, idleBytes: 0 };
  }
  const bookedBytes = bookedBytesOf(file);
  const { referencedBytes, replicaBytes } = file;
  const idleBytes = isIdle(file) && !isAwaited(file) ? bookedBytes : 0;
  const unwrittenBytes = isBeingMade(file) ? bookedBytes : 0;
  return { bookedBytes, referencedBytes, replicaBytes, unwrittenBytes, idleBytes };
}

function isPin(prefix: Prefix | undefined): boolean {
  return prefix !== undefined && !isRemoved(prefix);
}

function pinsOf(session: Session | undefined): number {
  return session !== undefined && session.pinnedUntilMs > 0 ? 1 : 0;
}

function durableCopies(segment: Segment | undefined): readonly Replica[] {
  return segment?.state === "durable" ? copiesOf(segment) : [];
}

function without(copies: readonly Replica[], others: readonly Replica[]): readonly Replica[] {
  return copies.filter((copy) => !others.some((other) => isSameFile(copy, other)));
}
