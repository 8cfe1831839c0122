/** The snapshots that a session lists, and what two of them have in common. */
import { SESSION_SNAPSHOTS_LIMIT } from "../../holders.ts";
import type { GeometryKey } from "../../model/geometry-key.ts";
import {
  type Holder,
  type Segment,
  type Session,
  sessionHolder,
  SNAPSHOT_POINT_BYTES,
  type SnapshotText,
} from "../../records.ts";
import { numberKey, parseReference, referencesPrefix, UNLIMITED } from "../keys.ts";
import { segmentAt } from "../tables.ts";
import type { CatalogView, KeyRange } from "../transaction.ts";

export interface Snapshot extends Segment {
  readonly snapshot: SnapshotText;
}

/** They begin at token 0, and so come first in the list. */
export function listedSnapshots(view: CatalogView, session: Session): readonly Snapshot[] {
  const holder = sessionHolder(session);
  const prefix = referencesPrefix(holder);
  return view
    .range({ ...startsOf(holder), limit: UNLIMITED })
    .map(({ key }) => segmentAt(view, parseReference(prefix, key)))
    .filter((segment) => segment !== undefined)
    .filter(isSnapshot);
}

/** For how many more there is room in the list. */
export function snapshotRoom(view: CatalogView, holder: Holder): number {
  const limit = SESSION_SNAPSHOTS_LIMIT;
  return limit - view.range({ ...startsOf(holder), limit }).length;
}

export function isSnapshot(segment: Segment): segment is Snapshot {
  return segment.snapshot !== undefined;
}

export function isOfGeometry(segment: Segment, geometry: GeometryKey): boolean {
  return Buffer.compare(segment.geometry, geometry) === 0;
}

/** The references to what begins at token 0. */
function startsOf(holder: Holder): Omit<KeyRange, "limit"> {
  const prefix = referencesPrefix(holder);
  return { from: prefix + numberKey(0), to: prefix + numberKey(1) };
}

type Points = Pick<SnapshotText, "points">;

/** From the start. */
export function commonPoints({ points: a }: Points, { points: b }: Points): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a[at] === b[at]) at++;
  return Math.floor(at / SNAPSHOT_POINT_BYTES);
}
