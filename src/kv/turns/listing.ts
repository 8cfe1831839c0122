/** What of a match an engine may be told to read: the segments up to the first that is not whole any more. */
import { AppError } from "../../errors.ts";
import type { Catalog, Match, MatchRequest } from "../catalog.ts";
import { type CopyChoice, inFile, rankCopies } from "../copies.ts";
import { usableTokens } from "../model/load-rules.ts";
import type { Segment } from "../records.ts";
import type { FileLook, SegmentChecker } from "../verify/segment-checker.ts";
import type { NotWhole, Recheck } from "../verify/segment-verifier.ts";
import type { Model } from "./models.ts";
import type { Places } from "./places.ts";
import type { PlanLimit, UnlistedReason } from "./turn-plan.ts";

export interface ListingOptions {
  readonly catalog: Catalog;
  readonly places: Places;
  readonly checker: SegmentChecker;
  readonly copies: CopyChoice;
  /** `always`: every listed byte is read at every plan. */
  readonly recheck: RecheckPolicy;
}

export type RecheckPolicy = "changed" | "always";

export interface Listing {
  /** Each in the copy that is to be read. */
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
    let lost: UnlistedReason | undefined;
    for (let attempt = 1; ; attempt++) {
      const match = await catalog.match(request);
      const found = await this.#find(match, request, this.#options.recheck);
      await this.#condemn(found, match);
      const { problem } = found;
      if (problem?.isFinal === true && attempt < MATCH_ATTEMPTS) {
        lost = problem.reason;
        continue;
      }
      const listing = listingOf(match, found, model);
      return problem === undefined && lost !== undefined ? { ...listing, limit: lost } : listing;
    }
  }

  /** As `list` begins, and with nothing condemned: what is whole before the first problem. */
  look(request: MatchRequest, model: Model): Promise<Listing> {
    return this.#look(request, model, this.#options.recheck);
  }

  /** The same where nothing is to be read for it: bytes are read where a file is not as it was, and nowhere else. */
  glance(request: MatchRequest, model: Model): Promise<Listing> {
    return this.#look(request, model, "changed");
  }

  async #look(request: MatchRequest, model: Model, recheck: RecheckPolicy): Promise<Listing> {
    const match = await this.#options.catalog.match(request);
    return listingOf(match, await this.#find(match, request, recheck), model);
  }

  /** Segment after segment, each in the best of its copies that is whole, up to the first that has none. */
  async #find(match: Match, { locations }: MatchRequest, recheck: RecheckPolicy): Promise<Found> {
    const { tierOf, load } = this.#options.copies;
    const reached = { tierOf: (id: string) => (locations.has(id) ? tierOf(id) : undefined), load };
    const look: Look = { recheck, files: new Map() };
    const whole: Segment[] = [];
    const damaged: Damaged[] = [];
    for (const known of match.segments) {
      const findings: Finding[] = [];
      let chosen: Segment | undefined;
      for (const segment of rankCopies(known, reached)) {
        const checked = await this.#check(segment, look);
        if (checked.kind === "ok") {
          chosen = segment;
          break;
        }
        const finding = findingOf(checked);
        findings.push(finding);
        if (finding.isFinal) damaged.push({ segment, reason: finding.reason });
      }
      if (chosen === undefined) {
        return { whole, damaged, problem: { segment: known, ...worstOf(findings) } };
      }
      whole.push(chosen);
    }
    return { whole, damaged, problem: undefined };
  }

  async #check(segment: Segment, { recheck, files }: Look): Promise<Recheck> {
    const { checker, places } = this.#options;
    const location = places.location(segment.file.location);
    if (location === undefined) throw new AppError("internal", "matched where nothing can be");
    const stored = { segment, location };
    if (recheck === "always") return checker.reread(stored);
    const at = `${segment.file.location}\0${segment.file.name}`;
    const file = files.get(at) ?? checker.look(segment.file, location);
    files.set(at, file);
    return checker.check(stored, await file);
  }

  /** The copies that are damaged, and no others: what has another one lives on in that. */
  async #condemn({ damaged }: Found, match: Match): Promise<void> {
    for (const { id: segment, file } of damaged.flatMap((each) => lostWith(each, match))) {
      await this.#options.catalog.condemn({ segment, file });
    }
  }
}

interface Look {
  readonly recheck: RecheckPolicy;
  /** One for each, by location and name. */
  readonly files: Map<string, Promise<FileLook>>;
}

interface Found {
  /** Each in the copy that is to be read. */
  readonly whole: readonly Segment[];
  readonly damaged: readonly Damaged[];
  readonly problem: Problem | undefined;
}

interface Damaged {
  /** In the copy that is. */
  readonly segment: Segment;
  readonly reason: UnlistedReason;
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

/** Of all copies of a segment: while one of them may be read again, nothing is lost. */
function worstOf(findings: readonly Finding[]): Finding {
  const worst = findings.find(({ isFinal }) => !isFinal) ?? findings[0];
  if (worst === undefined) throw new AppError("internal", "matched where nothing can be");
  return worst;
}

/** A missing file takes all that was in it. */
function lostWith({ segment, reason }: Damaged, match: Match): readonly Segment[] {
  if (reason !== "file_missing") return [segment];
  return match.segments.flatMap((each) => inFile(each, segment.file) ?? []);
}

function listingOf(match: Match, { whole, problem }: Found, { rules }: Model): Listing {
  if (problem === undefined) return { ...match, segments: whole };
  const { segment, reason } = problem;
  const tokens = usableTokens(segment.tokenStart, rules);
  return { segments: tokens === 0 ? [] : whole, tokens, limit: reason };
}
