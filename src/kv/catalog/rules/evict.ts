/**
 * Makes room in a location. Files are met in the order of their index, which changes only ahead of the pass: one whose floor is
 * too low is raised, and met again in its place if that is within the request's priority. What goes is the copy here; where there is
 * another one, nobody loses more than a way to read it.
 */
import type { Segment, SegmentId, StoredFile } from "../../records.ts";
import type { EvictReport, EvictRequest } from "../../space.ts";
import { evictablePrefix, holderKey, parseEvictable, UNLIMITED } from "../keys.ts";
import { locationUsage } from "../sums.ts";
import { files, hasFirstCopies, listInFile, segmentsIn } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { dropCopy, isSpare } from "./copies.ts";
import { PINNED, spareWorthOf, worthOf } from "./file-priority.ts";
import { dropWithdrawn, listReferrers, withdraw } from "./references.ts";
import { sweepHolders } from "./sweep.ts";
import { sealFile } from "./turn-end.ts";

export function evict(tx: CatalogTransaction, request: EvictRequest): EvictReport {
  const { location, bytes: wanted, nowMs, limit } = request;
  const idleBefore = locationUsage(tx, location).idleBytes;
  const freedBytes = () => locationUsage(tx, location).idleBytes - idleBefore;
  const { seen, expiredSessions } = sweepHolders(tx, nowMs, limit);
  let left = limit - seen;
  let [evicted, dropped, copies, references] = [0, 0, 0, 0];
  let from = evictablePrefix(location, 0);
  const to = evictablePrefix(location, highestOf(request) + 1);
  while (left > 0 && freedBytes() < wanted) {
    const [next] = tx.range({ from, to, limit: 1 });
    if (next === undefined) break;
    from = `${next.key}\0`;
    left--;
    const file = files.at(tx, parseEvictable(location, next.key));
    if (file === undefined) continue;
    if (request.priority === "reading" && !isAllSpare(tx, file, request)) {
      // Of each priority those of nothing but further copies come first, and most of the others have the only ones.
      if (hasFirstCopies(file)) from = evictablePrefix(location, file.priorityFloor + 1);
      continue;
    }
    if (!isInPlace(tx, file, request) || !mayGo(tx, file, request)) continue;
    const leaves = dropLeaves(tx, file, Math.max(1, left));
    left -= leaves.seen;
    dropped += leaves.withdrawn.length;
    copies += leaves.seen - leaves.withdrawn.length;
    for (const id of leaves.withdrawn) references += dropWithdrawn(tx, id, limit - references);
    evicted += Number(files.must(tx, file).referencedBytes === 0);
  }
  const bytes = freedBytes();
  const counts = { expiredSessions, files: evicted, segments: dropped, copies, bytes };
  return { ...counts, isShort: bytes < wanted, isFull: left <= 0 };
}

function highestOf({ priority }: EvictRequest): number {
  return priority === "reading" ? PINNED : priority;
}

/** Nobody would lose more with the file than a way to read it. */
function isAllSpare(tx: CatalogTransaction, file: StoredFile, request: EvictRequest): boolean {
  return segmentsIn(tx, file, UNLIMITED).every((segment) => isSpare(segment, request.locations));
}

/** Whether its floor is its priority with all copies that there are, also where nothing answers now; to that it is raised. */
function isInPlace(tx: CatalogTransaction, file: StoredFile, request: EvictRequest): boolean {
  const priorityFloor = priorityOf(tx, file, { ...request, isSpare: hasReplicas });
  if (priorityFloor === file.priorityFloor) return true;
  files.update(tx, file, (known) => ({ ...known, priorityFloor }));
  return false;
}

/** Whether that is its priority with those copies alone that can be read. */
function mayGo(tx: CatalogTransaction, file: StoredFile, request: EvictRequest): boolean {
  const isSpareNow = (segment: Segment) => isSpare(segment, request.locations);
  const segments = segmentsIn(tx, file, UNLIMITED);
  if (segments.every((segment) => isSpareNow(segment) === hasReplicas(segment))) return true;
  return priorityOf(tx, file, { ...request, isSpare: isSpareNow }) <= highestOf(request);
}

function hasReplicas({ replicas }: Segment): boolean {
  return replicas.length > 0;
}

interface Judged extends EvictRequest {
  readonly isSpare: (segment: Segment) => boolean;
}

/** Once it is above the request's, it is only known to be no less. */
function priorityOf(tx: CatalogTransaction, file: StoredFile, request: Judged): number {
  const [met, metAsSpare] = [new Set<string>(), new Set<string>()];
  let priority = 0;
  for (const segment of segmentsIn(tx, file, UNLIMITED)) {
    const worth = request.isSpare(segment) ? spareWorthOf : worthOf;
    for (const holder of listReferrers(tx, segment.id)) {
      const looked = worth === worthOf ? met : metAsSpare;
      if (looked.has(holderKey(holder))) continue;
      looked.add(holderKey(holder));
      priority = Math.max(priority, worth(tx, holder));
      if (priority > highestOf(request)) return priority;
    }
  }
  return priority;
}

/** So that what is left after an interruption is still a prefix. */
function dropLeaves(tx: CatalogTransaction, file: StoredFile, limit: number): DroppedLeaves {
  sealFile(tx, file);
  const leaves = listInFile(tx, file, limit);
  const withdrawn = leaves.filter((segment) => !dropCopy(tx, { segment, file }));
  for (const id of withdrawn) withdraw(tx, id);
  return { seen: leaves.length, withdrawn };
}

interface DroppedLeaves {
  readonly seen: number;
  /** Those that had no other copy. */
  readonly withdrawn: readonly SegmentId[];
}
