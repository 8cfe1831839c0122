/**
 * Which snapshot has most of a prompt's text: equal text is told by points of its chain, to the grid step; what ends on a prompt with its whole text is told exactly, by the index.
 * Thousands of sessions may have been asked the same, and each has a snapshot that ends there: of those that the session does not list itself, the newest few are looked at.
 */
import { isAtAny } from "../../copies.ts";
import type { SegmentId } from "../../records.ts";
import type { SnapshotMatch, SnapshotMatchRequest } from "../../snapshot-rules.ts";
import { decode, uint } from "../codec.ts";
import { referenceKey } from "../keys.ts";
import { segmentAt, sessions } from "../tables.ts";
import type { CatalogView } from "../transaction.ts";
import { type EndPlace, endPlaces } from "./ends-on.ts";
import {
  commonPoints,
  isOfGeometry,
  isSnapshot,
  listedSnapshots,
  type Snapshot,
} from "./listed-snapshots.ts";
import { listReferrers } from "./references.ts";

/** Half a millisecond's worth. */
const ENDS_AT_MOST = 64;

export function matchSnapshot(
  view: CatalogView,
  request: SnapshotMatchRequest,
): SnapshotMatch | undefined {
  const { prompt } = request;
  const ends = prompt.namespaces.flatMap((namespace) => [...endPlaces(view, prompt, namespace)]);
  const listed = listedCandidates(view, request, ends);
  const known = new Set(listed.map(({ snapshot }) => snapshot.id));
  const best = bestOf(view, listed, longestUnlisted(view, request, { ends, known }));
  if (best === undefined) return undefined;
  const { snapshot: segment, commonUnits } = best;
  const { tokenLength, snapshot: text } = segment;
  const tokens = Math.floor((tokenLength * commonUnits) / text.units);
  return { segment, commonUnits, commonTokens: Math.max(1, tokens) };
}

interface Candidate {
  readonly snapshot: Snapshot;
  /** > 0. */
  readonly commonUnits: number;
}

function listedCandidates(
  view: CatalogView,
  { session: key, geometry, prompt, locations }: SnapshotMatchRequest,
  ends: readonly EndPlace[],
): readonly Candidate[] {
  const session = sessions.get(view, key);
  if (session === undefined) return [];
  const endOf = new Map(ends.flatMap(({ at, segments }) => segments.map((id) => [id, at])));
  return listedSnapshots(view, session).flatMap((snapshot) => {
    const { id, snapshot: text } = snapshot;
    if (!isOfGeometry(snapshot, geometry) || !isAtAny(snapshot, locations)) return [];
    const isWhole = endOf.get(id) === text.units;
    const commonUnits = isWhole ? text.units : prompt.step * commonPoints(text, prompt);
    return commonUnits > 0 ? [{ snapshot, commonUnits }] : [];
  });
}

interface Unlisted {
  readonly ends: readonly EndPlace[];
  readonly known: ReadonlySet<SegmentId>;
}

/** Those of one length: the longest of which any can be had. */
function longestUnlisted(
  view: CatalogView,
  { locations }: SnapshotMatchRequest,
  { ends, known }: Unlisted,
): readonly Candidate[] {
  const found: Candidate[] = [];
  let looked = 0;
  for (const { at, segments } of ends.toSorted((a, b) => b.at - a.at)) {
    if (found.some(({ commonUnits }) => commonUnits > at)) break;
    // Ids of snapshots are in the order of their making.
    for (const id of segments.toReversed()) {
      if (known.has(id)) continue;
      if (looked++ >= ENDS_AT_MOST) return found;
      const snapshot = segmentAt(view, id);
      if (snapshot === undefined || !isSnapshot(snapshot)) continue;
      if (snapshot.snapshot.units !== at || !isAtAny(snapshot, locations)) continue;
      found.push({ snapshot, commonUnits: at });
    }
  }
  return found;
}

/** The longest; of equal ones those that the session lists, then the newest. */
function bestOf(
  view: CatalogView,
  listed: readonly Candidate[],
  unlisted: readonly Candidate[],
): Candidate | undefined {
  const all = [...listed, ...unlisted];
  const most = Math.max(...all.map(({ commonUnits }) => commonUnits));
  const isLongest = ({ commonUnits }: Candidate): boolean => commonUnits === most;
  const equal = listed.some(isLongest) ? listed.filter(isLongest) : unlisted.filter(isLongest);
  const dated = equal.map((each) => ({ each, sinceMs: listedSinceMs(view, each.snapshot) }));
  const [newest] = dated.toSorted(
    (a, b) => b.sinceMs - a.sinceMs || (a.each.snapshot.id < b.each.snapshot.id ? -1 : 1),
  );
  return newest?.each;
}

/** By those who still list it. */
function listedSinceMs(view: CatalogView, snapshot: Snapshot): number {
  const [oldest] = listReferrers(view, snapshot.id, 1);
  const since = oldest && view.get(referenceKey(oldest, snapshot));
  return since === undefined ? 0 : decode(uint, since);
}
