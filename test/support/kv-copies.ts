/** Copies of segments as the copier makes them, with no bytes. */
import type { ObjectName } from "../../src/kv/location.ts";
import type { FileRef, SegmentId } from "../../src/kv/records.ts";
import { type KvDesk, STAT } from "./kv-desk.ts";

export interface Copied {
  readonly segment: SegmentId;
  readonly to: FileRef;
  /** Of the copy whose place it takes; undefined: it is one more. */
  readonly from?: FileRef;
  /** For which it is booked; default `segment`. */
  readonly booked?: SegmentId;
  /** From its booking to its end; it may take 100. */
  readonly afterMs?: number;
}

const AMPLE = { limits: { capacityBytes: 1e15, freeFloorBytes: 0 }, freeBytes: 1e15 };

/** Booked, unless there is such a file, and recorded. False if it was not. */
export async function copied(desk: KvDesk, copy: Copied): Promise<boolean> {
  const { segment, to, from, afterMs = 0 } = copy;
  await booked(desk, copy);
  const made = { segment, to, stat: STAT, nowMs: desk.nowMs + afterMs };
  if (from === undefined) return desk.catalog.addReplica(made);
  return desk.catalog.moveSegment({ ...made, from });
}

export async function booked(
  { catalog, nowMs }: KvDesk,
  { segment, to, booked: other }: Copied,
): Promise<void> {
  const newFile = { ...to, ...AMPLE };
  await catalog.openCopy({ segment: other ?? segment, newFile, nowMs, deadlineMs: nowMs + 100 });
}

/** One more copy, for a test that counts on it. */
export async function replicaOf(
  desk: KvDesk,
  segment: SegmentId,
  location: string,
): Promise<FileRef> {
  const to = newCopy(desk, location);
  if (await copied(desk, { segment, to })) return to;
  throw new Error(`${segment} was not copied`);
}

/** One that is to be made. */
export async function bookedFor(
  desk: KvDesk,
  segment: SegmentId,
  location: string,
): Promise<FileRef> {
  const to = newCopy(desk, location);
  await booked(desk, { segment, to });
  return to;
}

function newCopy(desk: KvDesk, location: string): FileRef {
  return { location, name: `copy-${desk.nextName()}` as ObjectName };
}
