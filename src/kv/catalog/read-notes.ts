/**
 * Reads of segments that the catalog does not have yet. They are a statistic, and a page for each segment that a plan lists is too much
 * for a commit that a request waits for: upkeep writes them. A process that is killed has not counted its last ones.
 */
import type { SegmentId } from "../records.ts";

export interface NotedReads {
  readonly segment: SegmentId;
  /** >= 1. */
  readonly times: number;
  readonly lastMs: number;
}

/** Segments; some 10 MB. */
export const NOTED_LIMIT = 65_536;

export class ReadNotes {
  readonly #noted = new Map<SegmentId, NotedReads>();

  /** Segments that wait to be written. */
  get size(): number {
    return this.#noted.size;
  }

  /** One read of each. Of a segment that would be one too many it is not counted. */
  note(segments: Iterable<SegmentId>, nowMs: number): void {
    for (const segment of segments) {
      const known = this.#noted.get(segment);
      if (known === undefined && this.#noted.size >= NOTED_LIMIT) continue;
      const lastMs = Math.max(known?.lastMs ?? 0, nowMs);
      this.#noted.set(segment, { segment, times: (known?.times ?? 0) + 1, lastMs });
    }
  }

  /** Those that have waited for longest; they are the caller's to write. */
  take(limit: number): readonly NotedReads[] {
    const taken: NotedReads[] = [];
    for (const noted of this.#noted.values()) {
      if (taken.length >= limit) break;
      taken.push(noted);
    }
    for (const { segment } of taken) this.#noted.delete(segment);
    return taken;
  }
}
