/** What of a match an engine may be told to read: the segments up to the first that is not whole any more. */
import { AppError } from "../../errors.ts";
import type { Catalog, Match, MatchRequest } from "../catalog.ts";
import { usableTokens } from "../model/load-rules.ts";
import type { Segment } from "../records.ts";
import type { FileLook, SegmentChecker } from "../verify/segment-checker.ts";
import type { NotWhole, Recheck, StoredSegment } from "../verify/segment-verifier.ts";
import type { Model } from "./models.ts";
import type { Places } from "./places.ts";
import type { PlanLimit, UnlistedReason } from "./turn-plan.ts";

export interface ListingOptions {
  readonly catalog: Catalog;
  readonly places: Places;
  readonly checker: SegmentChecker;
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

export class Lister {
  readonly #options: ListingOptions;

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
      const location = this.#options.places.location(segment.file.location);
      if (location === undefined) throw new AppError("internal", "matched where nothing can be");
      const found = await this.#check({ segment, location }, looks);
      if (found.kind !== "ok") return { segment, ...findingOf(found) };
    }
    return undefined;
  }

  /** One look at each file, which is kept in `looks`. */
  async #check(stored: StoredSegment, looks: Map<string, Promise<FileLook>>): Promise<Recheck> {
    const { checker, recheck } = this.#options;
    if (recheck === "always") return checker.reread(stored);
    const { segment, location } = stored;
    const at = `${segment.file.location}\0${segment.file.name}`;
    const look = looks.get(at) ?? checker.look(segment.file, location);
    looks.set(at, look);
    return checker.check(stored, await look);
  }
}

interface Finding {
  readonly reason: UnlistedReason;
  /** It will never be whole again. */
  readonly isFinal: boolean;
}

interface Problem extends Finding {
  readonly segment: Segment;
}

function findingOf({ kind, reason }: NotWhole): Finding {
  if (kind === "unreadable") return { reason: "file_unreadable", isFinal: false };
  return { reason: reason === "missing" ? "file_missing" : "file_damaged", isFinal: true };
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
