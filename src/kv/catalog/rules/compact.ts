/**
 * Moves what survives in a file that is mostly unreferenced into objects of its own, one for each segment. The copy is made
 * between two rules: booked by the first, listed by the second, and swept like any idle file if the second never comes.
 */
import { refuseSpace } from "../../location.ts";
import { isSameFile, type Segment, type StoredFile } from "../../records.ts";
import type {
  CompactableFile,
  CompactableRequest,
  CopyOutcome,
  CopyRequest,
  MoveRequest,
} from "../../space.ts";
import { compactableKey, parseCompactable, scanAfter, UNLIMITED } from "../keys.ts";
import { locationUsage } from "../sums.ts";
import { files, segmentAt, segments, segmentsIn } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";

export function compactable(
  view: CatalogView,
  { after, limit }: CompactableRequest,
): readonly CompactableFile[] {
  const found = scanAfter(view, after === undefined ? "z" : compactableKey(after), limit);
  return found
    .map(({ key }) => files.at(view, parseCompactable(key)))
    .filter((file) => file !== undefined)
    .map((file) => ({ file, segments: segmentsIn(view, file, UNLIMITED) }));
}

export function openCopy(tx: CatalogTransaction, request: CopyRequest): CopyOutcome {
  const { segment: id, newFile } = request;
  const segment = segmentAt(tx, id);
  if (segment?.state !== "durable") return "gone";
  if (files.get(tx, newFile) !== undefined) return "file_exists";
  const books = { ...locationUsage(tx, newFile.location), freeBytes: newFile.freeBytes };
  if (refuseSpace(newFile.limits, books, segment.bytes) !== undefined) return "no_space";
  files.save(tx, copyOf(segment, files.must(tx, segment.file), request));
  return "opened";
}

export function moveSegment(tx: CatalogTransaction, request: MoveRequest): boolean {
  const { segment: id, from, to, stat, nowMs } = request;
  const segment = segmentAt(tx, id);
  const copy = files.get(tx, to);
  if (segment?.state !== "durable" || !isSameFile(segment.file, from)) return false;
  if (copy === undefined || nowMs >= copy.leasedUntilMs || !isUnusedCopy(copy, segment))
    return false;
  files.update(tx, to, (file) => ({ ...file, stat }));
  const { location, name } = to;
  segments.save(tx, { ...segment, file: { location, name }, kvStart: 0 });
  files.update(tx, from, (file) => ({
    ...file,
    leasedUntilMs: Math.max(file.leasedUntilMs, nowMs),
  }));
  return true;
}

function copyOf(
  { tenant, bytes }: Segment,
  { creator, readScore }: StoredFile,
  { newFile, nowMs, deadlineMs }: CopyRequest,
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
    lastReservationEndMs: nowMs,
    leasedUntilMs: deadlineMs,
    readScore,
    priorityFloor: 0,
    stat: undefined,
  };
}

/** Nothing of any other kind is leased with nothing ever committed to it. */
function isUnusedCopy(copy: StoredFile, { bytes }: Segment): boolean {
  return copy.committedBytes === 0 && copy.highWaterBytes === bytes;
}
