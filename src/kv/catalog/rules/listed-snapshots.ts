/** The snapshots that a session lists, and what two of them have in common. */
import type { GeometryKey } from "../../model/geometry-key.ts";
import {
  type Segment,
  type Session,
  sessionHolder,
  SNAPSHOT_POINT_BYTES,
  type SnapshotText,
} from "../../records.ts";
import { numberKey, parseReference, referencesPrefix, UNLIMITED } from "../keys.ts";
import { segmentAt } from "../tables.ts";
import type { CatalogView } from "../transaction.ts";

export interface Snapshot extends Segment {
  readonly snapshot: SnapshotText;
}

/** They begin at token 0, and so come first in the list. */
export function listedSnapshots(view: CatalogView, session: Session): readonly Snapshot[] {
  const prefix = referencesPrefix(sessionHolder(session));
  const range = { from: prefix + numberKey(0), to: prefix + numberKey(1), limit: UNLIMITED };
  return view
    .range(range)
    .map(({ key }) => segmentAt(view, parseReference(prefix, key)))
    .filter((segment) => segment !== undefined)
    .filter(isSnapshot);
}

export function isSnapshot(segment: Segment): segment is Snapshot {
  return segment.snapshot !== undefined;
}

export function isOfGeometry(segment: Segment, geometry: GeometryKey): boolean {
  return Buffer.compare(segment.geometry, geometry) === 0;
}

type Points = Pick<SnapshotText, "points">;

/** From the start. */
export function commonPoints({ points: a }: Points, { points: b }: Points): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a[at] === b[at]) at++;
  return Math.floor(at / SNAPSHOT_POINT_BYTES);
}
