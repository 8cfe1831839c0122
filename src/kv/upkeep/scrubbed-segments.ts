/** What the scrubber reads: the durable segments of the catalog at the locations that there are. */
import { setImmediate } from "node:timers/promises";

import type { Catalog } from "../catalog.ts";
import { copiesOf, inFile } from "../copies.ts";
import type { Location } from "../location.ts";
import type { Segment, SegmentId } from "../records.ts";
import type { ScrubbedSegments } from "../verify/scrubber.ts";
import type { StoredSegment } from "../verify/segment-verifier.ts";

export interface ScrubbedOptions {
  readonly catalog: Catalog;
  readonly locations: ReadonlyMap<string, Location>;
}

/** A position is kept after so many segments, since each costs a commit. A restart reads that many again at most. */
const KEPT_EVERY = 64;
/** Between two turns of the event loop. */
const SKIPPED_AT_ONCE = 100;
/** Segments of one file that are read again when a turn is stored in it. */
const OLDER_LIMIT = 256;

export function scrubbedSegments({ catalog, locations }: ScrubbedOptions): ScrubbedSegments {
  let unkept = 0;
  const stored = (known: Segment | undefined): readonly StoredSegment[] => {
    if (known?.state !== "durable") return [];
    return copiesOf(known).flatMap((copy) => {
      const [segment, location] = [inFile(known, copy), locations.get(copy.location)];
      return segment === undefined || location === undefined ? [] : [{ segment, location }];
    });
  };
  return {
    /** Passes over what is at locations that there are no more. */
    async next(after) {
      let segment = await catalog.nextSegment(after);
      for (let skipped = 1; segment !== undefined && stored(segment).length === 0; skipped++) {
        if (skipped % SKIPPED_AT_ONCE === 0) await setImmediate();
        segment = await catalog.nextSegment(segment.id);
      }
      return stored(segment);
    },
    find: async (id) => stored(await catalog.segment(id)),
    condemn: (request) => catalog.condemn(request),
    position: () => catalog.scrubPosition(),
    async keepPosition(id) {
      unkept++;
      if (id !== undefined && unkept < KEPT_EVERY) return;
      unkept = 0;
      await catalog.keepScrubPosition(id);
    },
  };
}

/**
 * The other segments of a file in which a turn has just been stored, to its last segment: what an engine wrote there may have gone
 * past its own range, and the stat that was recorded now vouches for all of them.
 */
export async function olderThan(catalog: Catalog, segment: Segment): Promise<readonly SegmentId[]> {
  const inFile = await catalog.segmentsIn(segment.file, OLDER_LIMIT);
  return inFile.map(({ id }) => id).filter((id) => id !== segment.id);
}
