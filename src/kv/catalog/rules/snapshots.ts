/** Snapshots: booked, and listed in place of the session's older ones. */
import { AppError } from "../../../errors.ts";
import { SESSION_SEGMENTS_LIMIT } from "../../holders.ts";
import { refuseSpace } from "../../location.ts";
import {
  type Segment,
  type Session,
  sessionHolder,
  type SessionKey,
  SNAPSHOT_POINT_BYTES,
  type SnapshotText,
  turnOfSegment,
} from "../../records.ts";
import type {
  KeepSnapshotOutcome,
  KeepSnapshotRequest,
  OpenSnapshotOutcome,
  OpenSnapshotRequest,
} from "../../snapshot-rules.ts";
import { addRead } from "../read-score.ts";
import { locationUsage, tenantUsage } from "../sums.ts";
import { files, segmentAt, segments } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";
import { bookedFile, fill, isBooked } from "./copies.ts";
import { commonPoints, isOfGeometry, listedSnapshots, type Snapshot } from "./listed-snapshots.ts";
import { addReference, removeReference } from "./references.ts";
import { liveSession } from "./sessions.ts";

export function openSnapshot(
  tx: CatalogTransaction,
  request: OpenSnapshotRequest,
): OpenSnapshotOutcome {
  const { session: key, bytes, newFile, nowMs, quota } = request;
  const session = liveSession(tx, key, nowMs);
  if (session === undefined) return "no_session";
  if (files.get(tx, newFile) !== undefined) return "file_exists";
  const replaced = listedSnapshots(tx, session).filter((each) => isOwn(tx, session, each));
  if (session.segments - replaced.length >= SESSION_SEGMENTS_LIMIT) return "segments_limit";
  if (chargedBeside(tx, session, replaced) + bytes > quota.bytes) return "quota_bytes";
  // Under its other name it takes its room on the device already.
  const freeBytes = newFile.freeBytes + bytes;
  const books = { ...locationUsage(tx, newFile.location), freeBytes };
  if (refuseSpace(newFile.limits, books, bytes) !== undefined) return "no_space";
  const { tenant, id: creator } = session;
  const readScore = addRead(0, nowMs);
  files.save(tx, bookedFile({ tenant, creator, readScore, isSnapshot: true, bytes }, request));
  return "opened";
}

export function keepSnapshot(
  tx: CatalogTransaction,
  request: KeepSnapshotRequest,
): KeepSnapshotOutcome {
  const { session: key, file: to, stat, place, nowMs, quota } = request;
  assertNew(tx, request);
  const session = liveSession(tx, key, nowMs);
  if (session === undefined) return "no_session";
  const bytes = stat.sizeBytes;
  if (!isBooked(tx, { bytes }, { to, nowMs })) return "expired";
  const replaced = replacedBy(tx, session, request);
  if (chargedBeside(tx, session, replaced) + bytes > quota.bytes) return "quota_bytes";
  fill(tx, { to, stat, nowMs });
  const segment = newSnapshot(session, request);
  segments.save(tx, segment);
  const holder = sessionHolder(session);
  addReference(tx, holder, { segment, nowMs, place: () => place });
  for (const { id } of replaced) removeReference(tx, holder, id);
  return "kept";
}

/**
 * Its own, and of what it was given each that the new one goes on from, as far as the grid tells; all of the same geometry. Its own of another, which an engine before
 * its upgrade left or one with another model, go too where the quota has no room for both.
 */
function replacedBy(
  tx: CatalogTransaction,
  session: Session,
  { geometry, text, stat, quota }: KeepSnapshotRequest,
): readonly Snapshot[] {
  const listed = listedSnapshots(tx, session);
  const own = listed.filter((each) => isOwn(tx, session, each));
  const replaced = listed.filter(
    (each) =>
      isOfGeometry(each, geometry) && (own.includes(each) || beginsWith(text, each.snapshot)),
  );
  const fits = chargedBeside(tx, session, replaced) + stat.sizeBytes <= quota.bytes;
  return fits ? replaced : [...new Set([...replaced, ...own])];
}

/** Whether the session made it: no copy that is made of it later belies that. */
function isOwn(view: CatalogView, { tenant, id }: SessionKey, { file }: Snapshot): boolean {
  const made = files.must(view, file);
  return made.creator === id && made.tenant === tenant;
}

/** What the tenant is charged without these, as far as they go with the session's references to them. */
function chargedBeside(
  view: CatalogView,
  { tenant }: Session,
  replaced: readonly Snapshot[],
): number {
  const freed = replaced.filter((each) => each.refs === 1 && each.tenant === tenant);
  return tenantUsage(view, tenant).bytes - freed.reduce((sum, { bytes }) => sum + bytes, 0);
}

function newSnapshot(session: Session, request: KeepSnapshotRequest): Segment {
  const { segment: id, file, stat, crc, tokens, geometry, chain, text } = request;
  return {
    id,
    tenant: session.tenant,
    turn: turnOfSegment(id),
    state: "durable",
    retentionClass: session.retention.name,
    geometry,
    file: { location: file.location, name: file.name },
    replicas: [],
    tokenStart: 0,
    tokenLength: tokens,
    kvStart: 0,
    bytes: stat.sizeBytes,
    chain,
    place: undefined,
    crc,
    refs: 0,
    lastReadAtMs: 0,
    timesRead: 0,
    snapshot: text,
  };
}

function assertNew(tx: CatalogTransaction, { segment: id, tokens }: KeepSnapshotRequest): void {
  if (segmentAt(tx, id) !== undefined) {
    throw new AppError("internal", `segment ${id} of a snapshot is there already`);
  }
  if (Number.isSafeInteger(tokens) && tokens >= 1) return;
  throw new AppError("internal", `snapshot tokens ${tokens} must be 1 or more`);
}

function beginsWith(text: SnapshotText, start: SnapshotText): boolean {
  const points = start.points.length / SNAPSHOT_POINT_BYTES;
  return start.units <= text.units && commonPoints(text, start) === points;
}
