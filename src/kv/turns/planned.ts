/** Plans as engines read them. */
import { AppError } from "../../errors.ts";
import type { Location } from "../location.ts";
import type { Segment } from "../records.ts";
import type { Places } from "./places.ts";
import type { FreshOutcome } from "./reserver.ts";
import type { Fresh, PlannedSegment, TurnPlan, UnplannedReason } from "./turn-plan.ts";

/** Of segments that were found at their locations a moment ago. */
export function plannedSegments(segments: readonly Segment[], places: Places): PlannedSegment[] {
  return segments.map((segment) => {
    const location = places.location(segment.file.location);
    if (location !== undefined) return planned(segment, location, segment.file.name);
    throw new AppError("internal", `listed segment ${segment.id} is at no location`);
  });
}

export function plannedReservation(fresh: Exclude<FreshOutcome, { kind: "stale" }>): Fresh {
  if (fresh.kind === "busy") return { kind: "none", reason: "busy" };
  if (fresh.kind === "none") return { kind: "none", reason: fresh.reason };
  const { reservation, location } = fresh;
  const { turn, parts, file } = reservation;
  const segments = parts.map((part) => planned(part, location, file.name));
  return { kind: "reserved", turn, segments };
}

/** Ids of the locations that an engine must reach to load them. */
export function placesOf(segments: readonly Segment[]): ReadonlySet<string> {
  return new Set(segments.map(({ file }) => file.location));
}

/** With the one where it is to store. */
export function locationsOf(
  segments: readonly Segment[],
  fresh: FreshOutcome,
): ReadonlySet<string> {
  const stored = placesOf(segments);
  return fresh.kind === "reserved" ? new Set([...stored, fresh.location.profile.id]) : stored;
}

export function unplanned(reason: UnplannedReason, nowMs: number): TurnPlan {
  const fresh = { kind: "none", reason } as const;
  const nothing = {
    stored: [],
    storedTokens: 0,
    text: undefined,
    promptTokens: 0,
    locations: new Set<string>(),
  };
  return { ...nothing, limit: reason, fresh, deadlineMs: nowMs };
}

type Span = Pick<PlannedSegment, "tokenStart" | "tokenLength" | "kvStart">;

function planned(
  { tokenStart, tokenLength, kvStart }: Span,
  location: Location,
  name: Segment["file"]["name"],
): PlannedSegment {
  return { tokenStart, tokenLength, kvUri: location.uri(name), kvStart };
}
