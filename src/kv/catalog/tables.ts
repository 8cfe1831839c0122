/**
 * The tables, and all that follows from their records: what is due when, what a tenant is charged, what a location holds, what is
 * still referred to in a file, where a chain is found. `audit.ts` recomputes each of them from the records alone.
 */
import type {
  FileRef,
  LocationUsage,
  PlacedSegment,
  Prefix,
  PrefixKey,
  Segment,
  SegmentId,
  Session,
  SessionKey,
  StoredFile,
  TenantUsage,
  Turn,
  TurnId,
} from "../records.ts";
import { indexSegment, unindexSegment } from "./chain-index.ts";
import {
  dueKey,
  fileKey,
  locationKey,
  type PlaceId,
  placeKey,
  prefixKey,
  type PrefixReaders,
  readerKey,
  segmentKey,
  sessionKey,
  tenantKey,
  turnKey,
} from "./keys.ts";
import {
  fileCodec,
  locationUsageCodec,
  placedSegmentCodec,
  prefixCodec,
  segmentCodec,
  sessionCodec,
  tenantUsageCodec,
  turnCodec,
} from "./record-codecs.ts";
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

export const prefixes = new Table<PrefixKey, Prefix>({
  prefix: "p",
  keyOf: prefixKey,
  codec: prefixCodec,
  indexesOf: (prefix) => {
    const { tenant, to, expiresAtMs } = prefix;
    const others: readonly PrefixReaders[] =
      to === "everyone"
        ? [{ kind: "everyone" }]
        : to.map((reader) => ({ kind: "tenant", tenant: reader }));
    const readers: readonly PrefixReaders[] = [{ kind: "owner", tenant }, ...others];
    const due = expiresAtMs === undefined ? [] : [dueKey("x", expiresAtMs, prefixKey(prefix))];
    return [...readers.map((each) => readerKey(each, prefix)), ...due];
  },
  changed(tx, before, after) {
    const prefix = before ?? after;
    const pins = Number(after !== undefined) - Number(before !== undefined);
    if (prefix !== undefined && pins !== 0) chargeTenant(tx, prefix.tenant, { pins });
  },
});

/** Sealed, and nothing refers to it or writes to it: due `quarantineMs` after it was last written or read. */
export const files = new Table<FileRef, StoredFile>({
  prefix: "f",
  keyOf: fileKey,
  codec: fileCodec,
  indexesOf: (file) =>
    isIdle(file)
      ? [dueKey("q", Math.max(file.lastReservationEndMs, file.leasedUntilMs), fileKey(file))]
      : [],
  changed(tx, before, after) {
    const grown = (after?.highWaterBytes ?? 0) - (before?.highWaterBytes ?? 0);
    const location = (before ?? after)?.location;
    if (grown !== 0 && location !== undefined) chargeLocation(tx, location, { bookedBytes: grown });
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
    if (turn === undefined || opened === 0) return;
    files.update(tx, turn.file, (file) => ({
      ...file,
      openReservations: file.openReservations + opened,
    }));
    chargeLocation(tx, turn.file.location, { unwrittenBytes: opened * turn.reservedBytes });
  },
});

export const segments = new Table<Pick<Segment, "id">, Segment>({
  prefix: "g",
  keyOf: ({ id }) => segmentKey(id),
  codec: segmentCodec,
  changed(tx, before, after) {
    const segment = before ?? after;
    if (segment === undefined) return;
    chargeBytes(tx, before, after);
    const durable = durableBytes(after) - durableBytes(before);
    if (durable === 0) return;
    files.update(tx, segment.file, (file) => ({
      ...file,
      referencedBytes: file.referencedBytes + durable,
      committedBytes: file.committedBytes + Math.max(0, durable),
    }));
  },
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

/** What nobody was charged has no record. */
export function tenantUsage(view: CatalogView, tenant: string): TenantUsage {
  return tenants.get(view, { tenant }) ?? { tenant, bytes: 0, sessions: 0, pins: 0 };
}

export function locationUsage(view: CatalogView, location: string): LocationUsage {
  return locations.get(view, { location }) ?? { location, bookedBytes: 0, unwrittenBytes: 0 };
}

export function isIdle(file: StoredFile): boolean {
  return file.isSealed && file.openReservations === 0 && file.referencedBytes === 0;
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

function chargeLocation(
  tx: CatalogTransaction,
  location: string,
  more: Partial<Pick<LocationUsage, "bookedBytes" | "unwrittenBytes">>,
): void {
  const { bookedBytes, unwrittenBytes } = locationUsage(tx, location);
  const usage = {
    location,
    bookedBytes: bookedBytes + (more.bookedBytes ?? 0),
    unwrittenBytes: unwrittenBytes + (more.unwrittenBytes ?? 0),
  };
  if (usage.bookedBytes + usage.unwrittenBytes === 0) locations.delete(tx, usage);
  else locations.save(tx, usage);
}
