/** Listing what is stored already: named segments by `attach`, and those of a match by the turn that goes on from them. */
import {
  type AttachOutcome,
  type AttachRequest,
  type DetachRequest,
  type ListedSegment,
  type Reader,
  SESSION_SEGMENTS_LIMIT,
} from "../../holders.ts";
import { type Holder, type SegmentId, type Session, sessionHolder } from "../../records.ts";
import { referenceKey, type ReferredSegment } from "../keys.ts";
import { segmentAt, segments, sessions, withdrawn } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";
import { isSnapshot, snapshotRoom } from "./listed-snapshots.ts";
import { visibleTo } from "./prefixes.ts";
import { addReference, removeReference } from "./references.ts";
import { liveSession, slide } from "./sessions.ts";

export interface Listing {
  readonly listed: readonly ListedSegment[];
  readonly nowMs: number;
}

interface WantedListing extends Listing {
  readonly trusts: Reader["trusts"];
}

export function attach(tx: CatalogTransaction, request: AttachRequest): AttachOutcome {
  const { session: key, listed, nowMs } = request;
  const session = liveSession(tx, key, nowMs);
  if (session === undefined) return { kind: "refused", reason: "no_session" };
  if (!areVisible(tx, session, request)) return { kind: "refused", reason: "no_segment" };
  const isAboveLimit = session.segments + listed.length > SESSION_SEGMENTS_LIMIT;
  if (isAboveLimit || hasTooManySnapshots(tx, session, listed)) {
    return { kind: "refused", reason: "segments_limit" };
  }
  const added = holdListed(tx, session, request);
  const attached = sessions.update(tx, key, (known) => slide(known, nowMs));
  return { kind: "attached", session: attached, added };
}

export function detach(tx: CatalogTransaction, { session: key, segments: ids }: DetachRequest) {
  const session = sessions.get(tx, key);
  if (session === undefined) return;
  for (const id of ids) {
    const isKnown = segmentAt(tx, id) !== undefined || withdrawn.get(tx, { id }) !== undefined;
    if (isKnown) removeReference(tx, sessionHolder(session), id);
  }
}

/** What the session lists already is in its tenant's namespace. */
export function areVisible(
  tx: CatalogTransaction,
  session: Session,
  { listed, trusts, nowMs }: WantedListing,
): boolean {
  const holder = sessionHolder(session);
  const isVisible = visibleTo(tx, { tenant: session.tenant, trusts }, nowMs);
  return listed.every(({ segment: id }) => {
    const segment = segmentAt(tx, id);
    return segment !== undefined && (isListed(tx, holder, segment) || isVisible(id));
  });
}

function hasTooManySnapshots(
  view: CatalogView,
  session: Session,
  listed: Listing["listed"],
): boolean {
  const holder = sessionHolder(session);
  const added = listed.filter(({ segment: id }) => {
    const segment = segmentAt(view, id);
    return segment !== undefined && isSnapshot(segment) && !isListed(view, holder, segment);
  });
  return added.length > 0 && added.length > snapshotRoom(view, holder);
}

/**
 * So that nothing that a session goes on from vanishes under it. What is above its limit is not kept for it. Returns what it did not
 * list before.
 */
export function holdListed(
  tx: CatalogTransaction,
  session: Session,
  listing: Listing,
): readonly SegmentId[] {
  const { listed, nowMs } = listing;
  const most = Math.max(0, SESSION_SEGMENTS_LIMIT - session.segments);
  const holder = sessionHolder(session);
  const added: SegmentId[] = [];
  let room: number | undefined;
  for (const { segment: id, place } of listed.slice(0, most)) {
    const segment = segments.must(tx, { id });
    if (isListed(tx, holder, segment)) continue;
    if (isSnapshot(segment)) {
      room ??= snapshotRoom(tx, holder);
      if (room-- <= 0) continue;
    }
    addReference(tx, holder, { segment, nowMs, place });
    added.push(id);
  }
  return added;
}

function isListed(view: CatalogView, holder: Holder, segment: ReferredSegment): boolean {
  return view.get(referenceKey(holder, segment)) !== undefined;
}
