import { AppError } from "../../../errors.ts";
import type { Segment, SegmentId } from "../../records.ts";
import type { NotedReads } from "../read-notes.ts";
import { segmentAt, segments } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";

/** Those of a segment that has gone meanwhile, or whose record cannot be read, are forgotten. */
export function addReads(tx: CatalogTransaction, noted: readonly NotedReads[]): void {
  for (const { segment: id, times, lastMs } of noted) {
    const segment = readable(tx, id);
    if (segment === undefined) continue;
    segments.save(tx, {
      ...segment,
      lastReadAtMs: Math.max(segment.lastReadAtMs, lastMs),
      timesRead: segment.timesRead + times,
    });
  }
}

function readable(tx: CatalogTransaction, id: SegmentId): Segment | undefined {
  try {
    return segmentAt(tx, id);
  } catch (reason) {
    if (reason instanceof AppError) return undefined;
    throw reason;
  }
}
