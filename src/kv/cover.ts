/**
 * Which of the segments that match a prompt an engine is given: whole segments, each starting exactly where the one before it ends
 * (engines refuse gaps and overlaps), the first at token 0. Segments may overlap as snapshots of one session do, so there may be
 * several ways; the best one covers most, with the fewest segments.
 */
import { type LoadRules, usableTokens } from "./model/load-rules.ts";

export interface CoverSegment {
  /** Unique among the candidates. */
  readonly id: string;
  readonly tokenStart: number;
  /** >= 1. */
  readonly tokenLength: number;
}

export interface CoverRules extends LoadRules {
  readonly promptTokens: number;
}

export interface Cover<S extends CoverSegment> {
  /** In order; empty when there is nothing to load. */
  readonly segments: readonly S[];
  readonly tokens: number;
  /** What would have been covered but for the engine's load threshold, which it is not above; else 0. */
  readonly belowThresholdTokens: number;
}

/** Why a segment can be in no cover at all. `at_prompt_end`: it leaves the engine no token to compute. */
export type Unlistable = "off_page" | "at_prompt_end";

export function whyUnlistable(segment: CoverSegment, rules: CoverRules): Unlistable | undefined {
  const { tokenStart, tokenLength } = segment;
  if (tokenStart % rules.pageSize !== 0 || tokenLength % rules.pageSize !== 0) return "off_page";
  return tokenStart + tokenLength < rules.promptTokens ? undefined : "at_prompt_end";
}

/** The best way to a position from 0: `last` ends there. */
interface Way<S> {
  readonly count: number;
  readonly last: S;
}

/**
 * Most tokens, then fewest segments; of equal covers, the one whose last segment starts first, then by its id, then likewise for
 * the segment before it. The order of the candidates never matters. O(n log n).
 */
export function pickCover<S extends CoverSegment>(
  candidates: readonly S[],
  rules: CoverRules,
): Cover<S> {
  const ways = waysFrom0(
    candidates.filter((segment) => whyUnlistable(segment, rules) === undefined),
  );
  const tokens = [...ways.keys()].reduce((furthest, end) => Math.max(furthest, end), 0);
  if (usableTokens(tokens, rules) === 0) {
    return { segments: [], tokens: 0, belowThresholdTokens: tokens };
  }
  return { segments: trace(ways, tokens), tokens, belowThresholdTokens: 0 };
}

/** By the position that is reached. A segment's start is settled before it, because all that end there start before it. */
function waysFrom0<S extends CoverSegment>(segments: readonly S[]): Map<number, Way<S>> {
  const ways = new Map<number, Way<S>>();
  for (const last of segments.toSorted(byStartThenId)) {
    const { tokenStart } = last;
    const before = tokenStart === 0 ? 0 : ways.get(tokenStart)?.count;
    if (before === undefined) continue;
    const end = tokenStart + last.tokenLength;
    const known = ways.get(end);
    if (known === undefined || before + 1 < known.count) ways.set(end, { count: before + 1, last });
  }
  return ways;
}

function trace<S extends CoverSegment>(ways: ReadonlyMap<number, Way<S>>, tokens: number): S[] {
  const segments: S[] = [];
  for (let way = ways.get(tokens); way !== undefined; way = ways.get(way.last.tokenStart)) {
    segments.push(way.last);
  }
  return segments.toReversed();
}

function byStartThenId(a: CoverSegment, b: CoverSegment): number {
  if (a.tokenStart !== b.tokenStart) return a.tokenStart - b.tokenStart;
  return a.id < b.id ? -1 : 1;
}
