/** Listing what is stored already: named segments by `attach`, and those of a match by the turn that goes on from them. */
import {
  type AttachOutcome,
  type AttachRequest,
  type DetachRequest,
  type ListedSegment,
  type Reader,
  SESSION_SEGMENTS_LIMIT,
} from "../../holders.ts";
import { type SegmentId, type Session, sessionHolder } from "../../records.ts";
import { referenceKey } from "../keys.ts";
import { segmentAt, segments, sessions, withdrawn } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
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
  if (!areVisible(tx, key.tenant, request)) return { kind: "refused", reason: "no_segment" };
  if (session.segments + listed.length > SESSION_SEGMENTS_LIMIT) {
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

export function areVisible(
  tx: CatalogTransaction,
  tenant: string,
  { listed, trusts, nowMs }: WantedListing,
): boolean {
  const isVisible = visibleTo(tx, { tenant, trusts }, nowMs);
  return listed.every(({ segment }) => isVisible(segment));
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
  const room = Math.max(0, SESSION_SEGMENTS_LIMIT - session.segments);
  const holder = sessionHolder(session);
  const added: SegmentId[] = [];
  for (const { segment: id, place } of listed.slice(0, room)) {
    const segment = segments.must(tx, { id });
    if (tx.get(referenceKey(holder, segment)) === undefined) added.push(id);
    addReference(tx, holder, { segment, nowMs, place });
  }
  return added;
}
