/**
 * What of a match an engine may be told to read: the segments up to the first whose file is not as it was. A file is compared by
 * its stat at every plan; only where that differs are bytes read again, since a turn that was aborted or stored less than it
 * reserved leaves a stat that differs by right.
 */
import { LRUCache } from "lru-cache";

import type { Catalog, Match, MatchRequest } from "../catalog.ts";
import {
  isSameContent,
  isSameObject,
  type Location,
  LocationFault,
  type ObjectStat,
} from "../location.ts";
import { usableTokens } from "../model/load-rules.ts";
import type { Segment, SegmentId, StoredFile } from "../records.ts";
import type { SegmentVerifier } from "../verify/segment-verifier.ts";
import type { Model } from "./models.ts";
import type { Places } from "./places.ts";
import type { PlanLimit, UnlistedReason } from "./turn-plan.ts";

export interface ListingOptions {
  readonly catalog: Catalog;
  readonly places: Places;
  readonly verifier: SegmentVerifier;
  /** `always`: every listed byte is read at every plan. */
  readonly recheck: "changed" | "always";
}

export interface Listing {
  readonly segments: readonly Segment[];
  readonly tokens: number;
  readonly limit: PlanLimit;
}

/** How often a match is done again without what turned out to be damaged. */
const MATCH_ATTEMPTS = 8;
/** Segments in files whose recorded stat no longer holds. One that falls out is read again. */
const RECHECKED_LIMIT = 100_000;

export class Lister {
  readonly #options: ListingOptions;
  /** As a segment's file was when the segment was found whole in it. */
  readonly #rechecked = new LRUCache<SegmentId, ObjectStat>({ max: RECHECKED_LIMIT });

  constructor(options: ListingOptions) {
    this.#options = options;
  }

  async list(request: MatchRequest, model: Model): Promise<Listing> {
    const { catalog } = this.#options;
    let match = await catalog.match(request);
    let problem = await this.#firstProblem(match);
    for (let attempt = 1; problem?.isFinal === true && attempt < MATCH_ATTEMPTS; attempt++) {
      for (const { id: segment, file } of lostWith(problem, match)) {
        await catalog.condemn({ segment, file });
      }
      match = await catalog.match(request);
      const next = await this.#firstProblem(match);
      if (next === undefined) return { ...match, limit: problem.reason };
      problem = next;
    }
    if (problem === undefined) return match;
    return listingBefore(match, problem, model);
  }

  /** As `list` begins, and with nothing condemned: what is whole before the first problem. */
  async look(request: MatchRequest, model: Model): Promise<Listing> {
    const match = await this.#options.catalog.match(request);
    const problem = await this.#firstProblem(match);
    return problem === undefined ? match : listingBefore(match, problem, model);
  }

  async #firstProblem(match: Match): Promise<Problem | undefined> {
    const looks = new Map<string, Promise<FileLook>>();
    for (const segment of match.segments) {
      const { location, name } = segment.file;
      const at = `${location}\0${name}`;
      const look = looks.get(at) ?? this.#look(segment);
      looks.set(at, look);
      const problem = await this.#problemOf(segment, await look);
      if (problem !== undefined) return { segment, ...problem };
    }
    return undefined;
  }

  async #look({ file: ref }: Segment): Promise<FileLook> {
    const { catalog, places } = this.#options;
    const location = places.location(ref.location);
    // The file's record first: an extension between the two makes the stat larger than the record, which costs a read only.
    const file = await catalog.file(ref);
    return { location, file, stat: await location?.stat(ref.name) };
  }

  async #problemOf(
    segment: Segment,
    { location, file, stat }: FileLook,
  ): Promise<Finding | undefined> {
    if (location === undefined) return { reason: "location_unknown", isFinal: false };
    if (stat instanceof LocationFault) {
      const isFinal = stat.code === "not_ours";
      return { reason: isFinal ? "file_damaged" : "file_unreadable", isFinal };
    }
    if (stat === undefined) return { reason: "file_missing", isFinal: true };
    const isExpected = file !== undefined && this.#isAsKnown(segment, file, stat);
    if (isExpected && this.#options.recheck === "changed") return undefined;
    return this.#recheck(segment, location);
  }

  #isAsKnown({ id }: Segment, file: StoredFile, stat: ObjectStat): boolean {
    const { stat: recorded, openReservations, highWaterBytes } = file;
    const rechecked = this.#rechecked.get(id);
    if (rechecked !== undefined && isSameContent(stat, rechecked)) return true;
    if (recorded === undefined) return false;
    if (openReservations === 0) return isSameContent(stat, recorded);
    // While an engine may write, bytes change by right, and the size is what the reservations made it.
    return isSameObject(stat, { ...recorded, sizeBytes: highWaterBytes });
  }

  async #recheck(segment: Segment, location: Location): Promise<Finding | undefined> {
    const found = await this.#options.verifier.recheck({ segment, location });
    switch (found.kind) {
      case "ok":
        this.#rechecked.set(segment.id, found.stat);
        return undefined;
      case "damaged":
        return {
          reason: found.reason === "missing" ? "file_missing" : "file_damaged",
          isFinal: true,
        };
      case "unreadable":
        return { reason: "file_unreadable", isFinal: false };
    }
  }
}

interface FileLook {
  readonly location: Location | undefined;
  readonly file: StoredFile | undefined;
  readonly stat: ObjectStat | undefined | LocationFault;
}

interface Finding {
  readonly reason: UnlistedReason;
  /** It will never be whole again. */
  readonly isFinal: boolean;
}

interface Problem extends Finding {
  readonly segment: Segment;
}

/** A missing file takes all that was in it. */
function lostWith({ segment, reason }: Problem, match: Match): readonly Segment[] {
  if (reason !== "file_missing") return [segment];
  const { location, name } = segment.file;
  return match.segments.filter(({ file }) => file.location === location && file.name === name);
}

function listingBefore(match: Match, { segment, reason }: Problem, { rules }: Model): Listing {
  const before = match.segments.slice(0, match.segments.indexOf(segment));
  const tokens = usableTokens(segment.tokenStart, rules);
  return { segments: tokens === 0 ? [] : before, tokens, limit: reason };
}
