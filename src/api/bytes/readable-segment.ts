/** Finds what may be read, and sees that it is whole and that its file stays while it is read. */
import { rankCopies } from "../../kv/copies.ts";
import type { Segment, SegmentId } from "../../kv/records.ts";
import type { StoredSegment } from "../../kv/verify/segment-verifier.ts";
import { Problem } from "../../http/problem.ts";
import { noSuch } from "../refusals.ts";
import { type BytesPorts, READ_LIMIT_MS } from "./bytes-ports.ts";

export interface ReadableSegment extends StoredSegment {
  /** For whom it is read. */
  readonly tenant: string;
}

export type ReadablePorts = Pick<
  BytesPorts,
  "catalog" | "reader" | "location" | "checker" | "copies" | "observer" | "nowMs"
>;

const SEGMENT_ID = /^[A-Za-z0-9_-]{1,64}\.\d{1,3}$/;

/** What is no id of ours names nothing. */
export function parseSegmentId(text: string): SegmentId {
  if (SEGMENT_ID.test(text)) return text as SegmentId;
  throw noSuch("segment");
}

/** Every copy may be moved between the look at the segment and its lease. */
const ATTEMPTS = 3;

/**
 * In the best of its copies that is whole, leased for `READ_LIMIT_MS` from now. Throws `not_found` for what is not durable and for what
 * the tenant may not see, `bytes_lost` for what is not whole any more, and `store_failed` where nobody can say.
 */
export async function openReadable(
  ports: ReadablePorts,
  id: SegmentId,
  tenant: string,
): Promise<ReadableSegment> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const known = await findReadable(ports, id, tenant);
    const opened = await openBest(ports, known);
    if (opened !== undefined) return { ...opened, tenant };
  }
  throw noSuch("segment");
}

/** Undefined if no copy is where it was any more. */
async function openBest(ports: ReadablePorts, known: Segment): Promise<StoredSegment | undefined> {
  const copies = rankCopies(known, ports.copies);
  if (copies.length === 0) {
    throw new Problem("store_failed", `location ${known.file.location} is not configured`);
  }
  const problems: Problem[] = [];
  for (const copy of copies) {
    const segment = await lease(ports, copy);
    const location = ports.location(copy.file.location);
    if (segment === undefined || location === undefined) continue;
    const problem = await whyNotWhole(ports, { segment, location });
    if (problem === undefined) return { segment, location };
    problems.push(problem);
  }
  const problem = problems.find(({ code }) => code === "store_failed") ?? problems[0];
  if (problem === undefined) return undefined;
  ports.observer.unserved();
  throw problem;
}

/** As a plan does before it lists a segment: a copy that is damaged is nobody's from here on. */
async function whyNotWhole(
  { catalog, checker, observer }: ReadablePorts,
  stored: StoredSegment,
): Promise<Problem | undefined> {
  const { segment, location } = stored;
  const { id, file } = segment;
  const found = await checker.check(stored, await checker.look(file, location));
  if (found.kind === "ok") return undefined;
  observer.notWhole(segment, found);
  if (found.kind === "unreadable") {
    return new Problem("store_failed", `the bytes of ${id} cannot be read now`);
  }
  await catalog.condemn({ segment: id, file });
  return new Problem("bytes_lost", `the bytes of ${id} are not what they were`);
}

/** Throws `not_found` as `openReadable` does, and leases nothing. */
export async function findReadable(
  { catalog, reader, nowMs }: Pick<ReadablePorts, "catalog" | "reader" | "nowMs">,
  id: SegmentId,
  tenant: string,
): Promise<Segment> {
  const segment = await catalog.visibleSegment(reader(tenant), id, nowMs());
  if (segment === undefined) throw noSuch("segment");
  return segment;
}

/**
 * A lease is taken for twice the time, so that a file that is read often costs a transaction in `READ_LIMIT_MS` and not one for
 * each read. It never shrinks, so one that was seen holds.
 */
async function lease({ catalog, nowMs }: ReadablePorts, known: Segment) {
  const now = nowMs();
  const file = await catalog.file(known.file);
  if (file !== undefined && file.leasedUntilMs >= now + READ_LIMIT_MS) return known;
  const { id: segment, file: read } = known;
  return catalog.leaseRead({ segment, file: read, untilMs: now + 2 * READ_LIMIT_MS });
}
