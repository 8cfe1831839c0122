import { describe, expect, it } from "vitest";

import type { Location, Tier } from "../../../src/kv/location.ts";
import { Flight, type FlightResult } from "../../../src/kv/readahead/flight.ts";
import { loadsOf, type Waited } from "../../../src/kv/readahead/loads.ts";
import { segmentAt } from "./copy-stand.ts";

const TOKENS = 10;

/** Ten tokens each: reached in a tier, or nowhere; and perhaps on the way. */
function waiting(...each: readonly (readonly [Tier | undefined, (FlightResult | "under way")?])[]) {
  const sightings = each.map(([tier, state], at): Waited => {
    const tokenStart = at * TOKENS;
    const segment = segmentAt(`s${at}`, ["archive"], { bytes: TOKENS, tokenStart });
    const reached = tier && { id: tier, tier };
    return { segment, reached, flight: state && flightOf(segment, state) };
  });
  const flights = sightings.flatMap(({ flight }) => flight ?? []);
  const rules = { pageSize: 1, loadThreshold: 0 };
  return { sightings, flights, rules, reachedTokens: 0 };
}

function flightOf(segment: ReturnType<typeof segmentAt>, state: FlightResult | "under way") {
  const to = { profile: { tier: "memory" } } as Location;
  const flight = new Flight({ segment, from: { id: "archive", tier: "remote" }, to });
  if (state !== "under way") flight.end(state);
  return flight;
}

function tokens(given: ReturnType<typeof waiting>): number[] {
  return loadsOf(given, () => 0).map(({ storedTokens }) => storedTokens);
}

describe("what could be loaded", () => {
  it("ends before the first that is not reached and not waited for", () => {
    expect(tokens(waiting(["memory"], [undefined, "under way"], ["memory"]))).toEqual([10, 30]);
  });

  it("grows with each that is waited for, in their order", () => {
    const two = waiting([undefined, "under way"], ["memory"], [undefined, "under way"]);
    expect(tokens(two)).toEqual([0, 20, 30]);
  });

  it("never goes past one that cannot come", () => {
    const lost = waiting(["memory"], [undefined], [undefined, "under way"]);
    expect(tokens(lost)).toEqual([10, 10]);
    const failed = waiting(["memory"], [undefined, "io"], [undefined, "under way"]);
    expect(tokens(failed)).toEqual([10, 10, 10]);
  });

  it("has what is there already without waiting", () => {
    const arrived = waiting([undefined, "copied"], [undefined, "under way"]);
    expect(tokens(arrived)).toEqual([10, 10, 20]);
  });

  it("is never less than other segments cover, and comes in whole pages above the threshold", () => {
    const given = waiting([undefined, "under way"], [undefined, "under way"]);
    expect(tokens({ ...given, reachedTokens: 15 })).toEqual([15, 15, 20]);
    expect(tokens({ ...given, rules: { pageSize: 8, loadThreshold: 0 } })).toEqual([0, 8, 16]);
    expect(tokens({ ...given, rules: { pageSize: 1, loadThreshold: 10 } })).toEqual([0, 0, 20]);
  });

  it("takes longer by what is read from slower tiers, until that is near", () => {
    const slow = waiting(["disk", "under way"], [undefined, "under way"], ["disk", "under way"]);
    expect(loadsOf(slow, () => 5)).toEqual([
      { storedTokens: 10, slowMs: 5 },
      { storedTokens: 10, slowMs: 0 },
      { storedTokens: 30, slowMs: 5 },
      { storedTokens: 30, slowMs: 0 },
    ]);
  });

  it("is read from its slower tier where it could not be brought", () => {
    const stays = waiting(["disk", "io"], ["disk", "under way"]);
    expect(loadsOf(stays, () => 5)).toEqual([
      { storedTokens: 20, slowMs: 5 },
      { storedTokens: 20, slowMs: 5 },
      { storedTokens: 20, slowMs: 0 },
    ]);
  });
});
