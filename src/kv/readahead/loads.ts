/** What an engine could load of what is being brought, the more of it the longer is waited. Pure. */
import { type LoadRules, usableTokens } from "../model/load-rules.ts";
import type { Segment } from "../records.ts";
import type { CopyPlace } from "./copy-times.ts";
import { type Flight, isThere } from "./flight.ts";

export interface Waiting {
  /** In order from token 0, without gaps. */
  readonly sightings: readonly Waited[];
  /** Theirs, in the same order. */
  readonly flights: readonly Flight[];
  readonly rules: LoadRules;
  /** What other segments that are in reach cover, if that is more. */
  readonly reachedTokens: number;
}

export interface Waited {
  readonly segment: Pick<Segment, "tokenStart" | "tokenLength">;
  /** Where the fastest copy in reach lies; undefined: there is none. */
  readonly reached: CopyPlace | undefined;
  readonly flight: Flight | undefined;
}

export interface Load {
  readonly storedTokens: number;
  /** What is read from slower tiers takes so much longer. */
  readonly slowMs: number;
}

export const NO_LOAD: Load = { storedTokens: 0, slowMs: 0 };

/** After waiting for none of the flights, for the first, for the first two, and so on. */
export function loadsOf(
  { sightings, flights, rules, reachedTokens }: Waiting,
  readMs: (from: CopyPlace, flight: Flight) => number,
): Load[] {
  const places = sightings.flatMap(({ flight }, at) => (flight === undefined ? [] : [at]));
  const slowMsOf = ({ reached, flight }: Waited): number =>
    reached === undefined || flight?.result !== undefined || flight === undefined
      ? 0
      : readMs(reached, flight);
  const loads: Load[] = [];
  let [end, slowMs, passed] = [0, 0, 0];
  for (let copies = 0; copies <= flights.length; copies++) {
    const place = copies === 0 ? undefined : places[copies - 1];
    const arrived = place === undefined ? undefined : sightings[place];
    if (place !== undefined && arrived !== undefined && place < end) slowMs -= slowMsOf(arrived);
    for (let next = sightings[end]; next !== undefined; next = sightings[++end]) {
      const isAwaited = next.flight !== undefined && passed < copies;
      if (!isReadable(next, isAwaited)) break;
      if (next.flight !== undefined) passed++;
      if (!isAwaited) slowMs += slowMsOf(next);
    }
    const last = end === 0 ? undefined : sightings[end - 1]?.segment;
    const tokens = last === undefined ? 0 : usableTokens(last.tokenStart + last.tokenLength, rules);
    loads.push({ storedTokens: Math.max(tokens, reachedTokens), slowMs });
  }
  return loads;
}

function isReadable({ reached, flight }: Waited, isAwaited: boolean): boolean {
  if (reached !== undefined || flight === undefined) return reached !== undefined;
  return isThere(flight) || (isAwaited && flight.result === undefined);
}
