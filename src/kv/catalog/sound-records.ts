/**
 * The records that can stand together, whatever happened to them: what names a record that is not there goes, or does without it.
 * In a catalog that only its rules have written this changes nothing. Nothing is made up, so that the worst that a repair does is
 * to forget what could have been reused. The whole of it is held in memory.
 */
import {
  COPIES_LIMIT,
  type FileRef,
  type Holder,
  type IndexPlace,
  isSameFile,
  type LoweredSession,
  namespaceOf,
  type Prefix,
  prefixHolder,
  type Replica,
  type Segment,
  type SegmentId,
  type Session,
  sessionHolder,
  type StoredFile,
  type Turn,
  type TurnId,
  type WithdrawnSegment,
} from "../records.ts";
import { copiesOf, withCopies } from "../copies.ts";
import { decode, uint } from "./codec.ts";
import {
  fileKey,
  holderKey,
  parseHolder,
  parseReference,
  type ReferredSegment,
  scan,
  UNLIMITED,
} from "./keys.ts";
import { isRemoved } from "./prefix-state.ts";
import { PINNED, worthOf } from "./rules/file-priority.ts";
import { isBeingLowered } from "./rules/lowering.ts";
import {
  ended,
  files,
  lowered,
  places,
  prefixes,
  segmentAt,
  segments,
  sessions,
  sessionsWith,
  turns,
  withdrawn,
} from "./tables.ts";
import type { CatalogView } from "./transaction.ts";

export interface Reference {
  readonly holder: Holder;
  readonly segment: ReferredSegment;
  /** None where the segment is withdrawn. */
  readonly copies: readonly Replica[];
  readonly sinceMs: number;
  readonly place: IndexPlace;
}

export interface SoundRecords {
  readonly files: readonly StoredFile[];
  readonly sessions: readonly Session[];
  readonly ended: readonly Session[];
  readonly lowered: readonly LoweredSession[];
  readonly prefixes: readonly Prefix[];
  readonly turns: readonly Turn[];
  readonly segments: readonly Segment[];
  readonly withdrawn: readonly WithdrawnSegment[];
  readonly references: readonly Reference[];
}

/** `nowMs`: when a reservation ended whose turn is lost. */
export function soundRecords(view: CatalogView, nowMs: number): SoundRecords {
  const kept = new Map(turns.all(view).flatMap((turn) => soundTurn(view, turn)));
  const references = soundReferences(view);
  const listing = new Set(references.map(({ holder }) => holderKey(holder)));
  const listed = Map.groupBy(references, ({ segment }) => segment.id);
  const soundSegments = segments
    .all(view)
    .flatMap((segment) => soundSegment(view, segment, { kept, listed }));
  const open = Map.groupBy(kept.values(), ({ file }) => fileKey(file));
  const soundFiles = files.all(view).map((file) => {
    const isLost = file.openReservations > (open.get(fileKey(file))?.length ?? 0);
    const isWritten = !isLost && isCurrent(view, file);
    const lastReservationEndMs = Math.max(file.lastReservationEndMs, isLost ? nowMs : 0);
    return { ...file, isSealed: file.isSealed || !isWritten, lastReservationEndMs };
  });
  const unsealed = new Set(soundFiles.filter(({ isSealed }) => !isSealed).map(fileKey));
  return {
    files: withContents(view, soundFiles, { segments: soundSegments, references }),
    sessions: sessions.all(view).map((session) => soundSession(session, kept, unsealed)),
    ended: ended.all(view).filter((session) => listing.has(holderKey(sessionHolder(session)))),
    lowered: lowered.all(view),
    prefixes: prefixes
      .all(view)
      .filter((prefix) => !isRemoved(prefix) || listing.has(holderKey(prefixHolder(prefix)))),
    turns: [...kept.values()],
    segments: soundSegments,
    withdrawn: withdrawn.all(view).filter(({ id }) => listed.has(id) && !segmentAt(view, id)),
    references,
  };
}

/** With its parts that are pending, if its session knows it and there is a file to write to. */
function soundTurn(view: CatalogView, turn: Turn): [TurnId, Turn][] {
  const pending = turn.pending.filter((id) => {
    const part = segmentAt(view, id);
    return part?.turn === turn.id && part.state !== "durable" && isSameFile(part.file, turn.file);
  });
  const isKnown = sessions.get(view, turn.session)?.turns.includes(turn.id) === true;
  const isSound = isKnown && pending.length > 0 && files.get(view, turn.file) !== undefined;
  return isSound ? [[turn.id, { ...turn, pending }]] : [];
}

function soundReferences(view: CatalogView): Reference[] {
  return scan(view, "r", UNLIMITED).flatMap(({ key, value }) => {
    const holder = parseHolder(key.slice(1));
    const segment = soundReferred(view, parseReference(`r${holderKey(holder)}`, key));
    if (segment === undefined) return [];
    // Without the place, which is under a secret and cannot be computed here, it would never be found.
    const id = { segment: segment.id, namespace: namespaceOf(holder) };
    const place = places.get(view, id)?.place;
    if (place === undefined || !isThere(view, holder)) return [];
    const { copies } = segment;
    return [{ holder, segment, copies, sinceMs: decode(uint, value), place }];
  });
}

/** What may be referred to: a durable segment in a file that there is, or one that is withdrawn. */
function soundReferred(
  view: CatalogView,
  id: SegmentId,
): (ReferredSegment & Pick<Reference, "copies">) | undefined {
  const segment = segmentAt(view, id);
  if (segment === undefined) {
    const known = withdrawn.get(view, { id });
    return known && { ...known, copies: [] };
  }
  const sound = segment.state === "durable" ? withSoundCopies(view, segment) : undefined;
  return sound && { ...sound, copies: copiesOf(sound) };
}

/** Those whose files are there, one at each location; undefined if there is none. */
function withSoundCopies(view: CatalogView, segment: Segment): Segment | undefined {
  const copies = copiesOf(segment)
    .filter((copy) => files.get(view, copy) !== undefined)
    .filter((copy, index, all) => all.findIndex((each) => isAtSame(each, copy)) === index);
  return withCopies(segment, copies.slice(0, COPIES_LIMIT));
}

function isAtSame(a: Replica, b: Replica): boolean {
  return a.location === b.location;
}

function isThere(view: CatalogView, holder: Holder): boolean {
  const { kind, tenant, id } = holder;
  if (kind === "prefix") return prefixes.get(view, { tenant, name: id }) !== undefined;
  return sessionsWith(view, holder).get(view, holder) !== undefined;
}

interface Kept {
  readonly kept: ReadonlyMap<TurnId, Turn>;
  readonly listed: ReadonlyMap<SegmentId, readonly Reference[]>;
}

function soundSegment(view: CatalogView, segment: Segment, { kept, listed }: Kept): Segment[] {
  const { id, state, tenant, turn } = segment;
  if (state !== "durable") {
    const isPending = kept.get(turn)?.pending.includes(id) === true;
    return isPending ? [{ ...segment, replicas: [] }] : [];
  }
  const references = listed.get(id) ?? [];
  const [oldest] = references.toSorted((a, b) => a.sinceMs - b.sinceMs);
  const sound = withSoundCopies(view, segment);
  if (oldest === undefined || sound === undefined) return [];
  const isCharged = references.some(({ holder }) => holder.tenant === tenant);
  return [{ ...sound, tenant: isCharged ? tenant : oldest.holder.tenant }];
}

function soundSession(
  session: Session,
  kept: ReadonlyMap<TurnId, Turn>,
  unsealed: ReadonlySet<string>,
): Session {
  const own = session.turns.filter((id) => kept.has(id));
  const { file, leasedBy } = session;
  return {
    ...session,
    turns: own,
    leasedBy: leasedBy !== undefined && own.includes(leasedBy) ? leasedBy : undefined,
    file: file !== undefined && unsealed.has(fileKey(file)) ? file : undefined,
  };
}

function isCurrent(view: CatalogView, file: StoredFile): boolean {
  const current = sessions.get(view, { tenant: file.tenant, id: file.creator })?.file;
  return current !== undefined && isSameFile(current, file);
}

/** A file has room for all that lies in it, is booked for no less, and is worth no more than those who list that are, or were. */
function withContents(
  view: CatalogView,
  all: readonly StoredFile[],
  { segments: known, references }: Pick<SoundRecords, "segments" | "references">,
): StoredFile[] {
  const copied = known.flatMap((segment) =>
    copiesOf(segment).map(({ location, name, kvStart }) => {
      const { state, bytes } = segment;
      return { file: { location, name }, kvStart, state, bytes };
    }),
  );
  const inFile = Map.groupBy(copied, ({ file }) => fileKey(file));
  const worths = Map.groupBy(
    references.flatMap((reference) => worthsOf(view, reference)),
    ({ file }) => fileKey(file),
  );
  return all.map((file) => {
    const contents = inFile.get(fileKey(file)) ?? [];
    const durable = contents.filter(({ state }) => state === "durable");
    const referencedBytes = bytesOf(durable);
    const committedBytes = Math.max(file.committedBytes, referencedBytes);
    const usedBytes = committedBytes + bytesOf(contents) - referencedBytes;
    const end = contents.reduce((most, { kvStart, bytes }) => Math.max(most, kvStart + bytes), 0);
    const highWaterBytes = Math.max(file.highWaterBytes, committedBytes, end);
    const worth = Math.max(0, ...(worths.get(fileKey(file)) ?? []).map((each) => each.worth));
    return {
      ...file,
      committedBytes,
      highWaterBytes,
      unusedBytes: Math.min(file.unusedBytes, Math.max(0, highWaterBytes - usedBytes)),
      priorityFloor: Math.min(file.priorityFloor, worth),
    };
  });
}

/** The most that a reference makes of each file that has a copy. */
function worthsOf(
  view: CatalogView,
  { holder, copies }: Reference,
): { readonly file: FileRef; readonly worth: number }[] {
  const worth = isBeingLowered(view, holder) ? PINNED : worthOf(view, holder);
  return copies.map((file) => ({ file, worth }));
}

function bytesOf(contents: readonly Pick<Segment, "bytes">[]): number {
  return contents.reduce((sum, { bytes }) => sum + bytes, 0);
}
