/**
 * What the rules about copies have in common. A copy is made between two of them: booked by `openCopy`, recorded by whichever it was
 * made for, and swept like any idle file if that never comes.
 */
import { copiesOf, inFile, withCopies } from "../../copies.ts";
import { refuseSpace } from "../../location.ts";
import { type FileRef, isSameFile, type Segment, type StoredFile } from "../../records.ts";
import type { AddReplicaRequest, CopyOf, CopyRequest, OpenCopyOutcome } from "../../space.ts";
import { locationUsage } from "../sums.ts";
import { files, segmentAt, segments } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";

export function openCopy(tx: CatalogTransaction, request: CopyRequest): OpenCopyOutcome {
  const { segment: id, newFile } = request;
  const segment = segmentAt(tx, id);
  if (segment?.state !== "durable") return "gone";
  if (files.get(tx, newFile) !== undefined) return "file_exists";
  const books = { ...locationUsage(tx, newFile.location), freeBytes: newFile.freeBytes };
  if (refuseSpace(newFile.limits, books, segment.bytes) !== undefined) return "no_space";
  const { bytes } = segment;
  files.save(tx, bookedFile({ ...files.must(tx, segment.file), bytes }, request));
  return "opened";
}

/** The segment in that copy; undefined unless it is durable and has it. */
export function copyAt(view: CatalogView, { segment: id, file }: CopyOf): Segment | undefined {
  const segment = segmentAt(view, id);
  return segment?.state === "durable" ? inFile(segment, file) : undefined;
}

/** Whether a copy was booked for the segment, holds nothing yet, and its time is not over. */
export function isBooked(
  view: CatalogView,
  { bytes }: Pick<Segment, "bytes">,
  { to, nowMs }: Pick<AddReplicaRequest, "to" | "nowMs">,
): boolean {
  const copy = files.get(view, to);
  if (copy === undefined || nowMs >= copy.leasedUntilMs) return false;
  // Nothing of any other kind is leased with nothing ever committed to it.
  return copy.committedBytes === 0 && copy.highWaterBytes === bytes;
}

/** What was booked is whole. Nobody was told of it yet, so nobody reads in it. */
export function fill(
  tx: CatalogTransaction,
  { to, stat, nowMs }: Pick<AddReplicaRequest, "to" | "stat" | "nowMs">,
): void {
  files.update(tx, to, (file) => ({ ...file, stat, leasedUntilMs: nowMs }));
}

/** False, and nothing changes, if the segment has no other one. Of a first copy, the oldest of the others takes the place. */
export function dropCopy(tx: CatalogTransaction, { segment: id, file }: CopyOf): boolean {
  const segment = segments.must(tx, { id });
  const others = copiesOf(segment).filter((copy) => !isSameFile(copy, file));
  const left = withCopies(segment, others);
  if (left !== undefined) segments.save(tx, left);
  return left !== undefined;
}

/** Whether the segment, in a copy, has another one at any of the locations. */
export function isSpare({ replicas }: Segment, locations: ReadonlySet<string>): boolean {
  return replicas.some(({ location }) => locations.has(location));
}

/** Who was told of the file may read on in it. */
export function renewQuarantine(tx: CatalogTransaction, ref: FileRef, nowMs: number): void {
  files.update(tx, ref, (file) => ({
    ...file,
    leasedUntilMs: Math.max(file.leasedUntilMs, nowMs),
  }));
}

export interface Booking extends Pick<
  StoredFile,
  "tenant" | "creator" | "readScore" | "isSnapshot"
> {
  readonly bytes: number;
}

export function bookedFile(
  { tenant, creator, readScore, isSnapshot, bytes }: Booking,
  { newFile, nowMs, deadlineMs }: Omit<CopyRequest, "segment">,
): StoredFile {
  const { location, name } = newFile;
  return {
    location,
    name,
    tenant,
    creator,
    highWaterBytes: bytes,
    unusedBytes: 0,
    isSealed: true,
    openReservations: 0,
    committedBytes: 0,
    referencedBytes: 0,
    replicaBytes: 0,
    lastReservationEndMs: nowMs,
    leasedUntilMs: deadlineMs,
    readScore,
    priorityFloor: 0,
    stat: undefined,
    isSnapshot,
  };
}
