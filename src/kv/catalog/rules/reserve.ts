import { AppError } from "../../../errors.ts";
import {
  type LeaseRequest,
  type ReservedPart,
  type ReserveOutcome,
  type ReserveRefusal,
  SESSION_TURNS_LIMIT,
  type TurnRequest,
} from "../../catalog.ts";
import { type ListedCopy, SESSION_SEGMENTS_LIMIT } from "../../holders.ts";
import { refuseSpace } from "../../location.ts";
import {
  type FileRef,
  type Segment,
  segmentId,
  type Session,
  type StoredFile,
  type Turn,
} from "../../records.ts";
import { addRead } from "../read-score.ts";
import { locationUsage, tenantUsage } from "../sums.ts";
import { files, segments, sessions, turnAt, turns } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";
import { areVisible, holdListed } from "./attach.ts";
import { copyAt } from "./copies.ts";
import { liveSession, slide } from "./sessions.ts";
import { abortTurn, sealFile } from "./turn-end.ts";

export function reserve(tx: CatalogTransaction, request: TurnRequest): ReserveOutcome {
  assertSound(request);
  const { nowMs, whenBusy } = request;
  let session = liveSession(tx, request.session, nowMs);
  const holder = session?.leasedBy === undefined ? undefined : turnAt(tx, session.leasedBy);
  const isBusy = holder !== undefined && holder.deadlineMs > nowMs && !isLost(holder, request);
  if (holder !== undefined && !isBusy) {
    abortTurn(tx, holder, nowMs);
    session = sessions.must(tx, request.session);
  }
  if (session === undefined) return { kind: "refused", reason: "no_session" };
  if (isBusy && whenBusy === "wait") {
    return { kind: "busy", turn: holder.id, deadlineMs: holder.deadlineMs };
  }
  const current = isBusy ? undefined : currentFile(tx, session, request);
  const reason = whyRefused(tx, { request, session, current });
  if (reason !== undefined) return { kind: "refused", reason };

  holdListed(tx, session, request);
  leaseFiles(tx, request.listed, { nowMs, untilMs: request.deadlineMs });
  return writeTurn(tx, { request, session, current, isBranch: isBusy });
}

export function lease(tx: CatalogTransaction, request: LeaseRequest): boolean {
  const { session: key, listed, nowMs } = request;
  const session = liveSession(tx, key, nowMs);
  if (session === undefined || !areVisible(tx, session, request)) return false;
  if (!areThere(tx, listed)) return false;
  sessions.save(tx, slide(session, nowMs));
  holdListed(tx, session, request);
  leaseFiles(tx, listed, request);
  return true;
}

function isLost({ engine }: Turn, request: TurnRequest): boolean {
  return engine !== undefined && request.isLost(engine);
}

interface Place {
  readonly request: TurnRequest;
  readonly session: Session;
  /** Where the session goes on writing; undefined where a file has to be made. */
  readonly current: StoredFile | undefined;
}

function currentFile(
  tx: CatalogTransaction,
  { file }: Session,
  { newFile }: TurnRequest,
): StoredFile | undefined {
  return file?.location === newFile.location ? files.must(tx, file) : undefined;
}

function whyRefused(tx: CatalogTransaction, place: Place): ReserveRefusal | undefined {
  const { request, session, current } = place;
  const { newFile, quota } = request;
  const bytes = reservedBytes(request);
  if (!areVisible(tx, session, request)) return "stale_match";
  if (!areThere(tx, request.listed)) return "stale_match";
  if (session.turns.length >= SESSION_TURNS_LIMIT) return "turns_limit";
  if (session.segments >= SESSION_SEGMENTS_LIMIT) return "segments_limit";
  if (tenantUsage(tx, session.tenant).bytes + bytes > quota.bytes) return "quota_bytes";
  if (current === undefined && files.get(tx, newFile) !== undefined) return "file_exists";
  const books = { ...locationUsage(tx, newFile.location), freeBytes: newFile.freeBytes };
  return refuseSpace(newFile.limits, books, bytes) === undefined ? undefined : "no_space";
}

function writeTurn(
  tx: CatalogTransaction,
  { request, session, current, isBranch }: Place & { readonly isBranch: boolean },
): ReserveOutcome {
  const { newFile, nowMs } = request;
  if (!isBranch && current === undefined && session.file !== undefined) sealFile(tx, session.file);
  const isSealed = isBranch || !newFile.canGrow;
  if (current === undefined) files.save(tx, openFile(request, isSealed));
  const file = refOf(current ?? newFile);
  const fromBytes = current?.highWaterBytes ?? 0;
  const toBytes = fromBytes + reservedBytes(request);
  const parts = placeParts(request, fromBytes);

  files.update(tx, file, (known) => ({ ...known, highWaterBytes: toBytes }));
  turns.save(tx, newTurn(request, file, parts));
  const writer = { request, file, retentionClass: session.retention.name };
  for (const part of parts) segments.save(tx, newSegment(writer, part));
  sessions.update(tx, session, (known) => ({
    ...slide(known, nowMs),
    turns: [...known.turns, request.turn],
    leasedBy: isBranch ? known.leasedBy : request.turn,
    file: isBranch ? known.file : isSealed && current === undefined ? undefined : file,
  }));
  return { kind: "reserved", reservation: { turn: request.turn, file, fromBytes, toBytes, parts } };
}

function openFile({ newFile, session, nowMs }: TurnRequest, isSealed: boolean): StoredFile {
  return {
    ...refOf(newFile),
    tenant: session.tenant,
    creator: session.id,
    highWaterBytes: 0,
    unusedBytes: 0,
    isSealed,
    openReservations: 0,
    committedBytes: 0,
    referencedBytes: 0,
    replicaBytes: 0,
    lastReservationEndMs: nowMs,
    leasedUntilMs: 0,
    readScore: addRead(0, nowMs),
    priorityFloor: 0,
    stat: undefined,
    isSnapshot: false,
  };
}

function placeParts(
  { turn, tokenStart, parts, tokenBytes }: TurnRequest,
  fromBytes: number,
): ReservedPart[] {
  let tokens = 0;
  return parts.map((tokenLength, part) => {
    const placed = {
      segment: segmentId(turn, part),
      tokenStart: tokenStart + tokens,
      tokenLength,
      kvStart: fromBytes + tokens * tokenBytes,
    };
    tokens += tokenLength;
    return placed;
  });
}

function newTurn(request: TurnRequest, file: FileRef, parts: readonly ReservedPart[]): Turn {
  return {
    id: request.turn,
    session: request.session,
    state: "reserved",
    deadlineMs: request.deadlineMs,
    engine: request.engine,
    file,
    reservedBytes: reservedBytes(request),
    tokenBytes: request.tokenBytes,
    rankTokenBytes: request.rankTokenBytes,
    pending: parts.map(({ segment }) => segment),
  };
}

interface Writer {
  readonly request: TurnRequest;
  readonly file: FileRef;
  readonly retentionClass: string;
}

function newSegment({ request, file, retentionClass }: Writer, part: ReservedPart): Segment {
  return {
    id: part.segment,
    tenant: request.session.tenant,
    turn: request.turn,
    state: "reserved",
    retentionClass,
    geometry: request.geometry,
    file,
    replicas: [],
    tokenStart: part.tokenStart,
    tokenLength: part.tokenLength,
    kvStart: part.kvStart,
    bytes: part.tokenLength * request.tokenBytes,
    chain: undefined,
    place: undefined,
    crc: 0,
    refs: 0,
    lastReadAtMs: 0,
    timesRead: 0,
    snapshot: undefined,
  };
}

/** Each in the copy that is to be read. */
function areThere(view: CatalogView, listed: readonly ListedCopy[]): boolean {
  return listed.every((each) => copyAt(view, each) !== undefined);
}

/** One write for each file, however many segments are in it, and none for a segment. */
function leaseFiles(
  tx: CatalogTransaction,
  listed: readonly ListedCopy[],
  { nowMs, untilMs }: Pick<LeaseRequest, "nowMs" | "untilMs">,
): void {
  const leased = new Map<string, FileRef>();
  for (const { file } of listed) leased.set(`${file.location}\0${file.name}`, file);
  for (const ref of leased.values()) {
    files.update(tx, ref, (file) => ({
      ...file,
      leasedUntilMs: Math.max(file.leasedUntilMs, untilMs),
      readScore: addRead(file.readScore, nowMs),
    }));
  }
}

function reservedBytes({ parts, tokenBytes }: TurnRequest): number {
  return parts.reduce((sum, tokens) => sum + tokens, 0) * tokenBytes;
}

function refOf({ location, name }: FileRef): FileRef {
  return { location, name };
}

function assertSound({ parts, tokenBytes, deadlineMs, nowMs }: TurnRequest): void {
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;
  if (parts.length === 0 || !parts.every(isCount) || !isCount(tokenBytes)) {
    throw new AppError(
      "internal",
      `reservation of ${parts.join(" + ")} tokens must be 1 or more each`,
    );
  }
  if (deadlineMs > nowMs) return;
  throw new AppError("internal", `turn deadline ${deadlineMs} must be after ${nowMs}`);
}
