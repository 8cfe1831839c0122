/** Listing what is stored already: named segments by `attach`, and those of a match by the turn that goes on from them. */
import {
  type AttachOutcome,
  type AttachRequest,
  type ListedSegment,
  type Reader,
  SESSION_SEGMENTS_LIMIT,
} from "../../holders.ts";
import { type Session, sessionHolder } from "../../records.ts";
import { segments, sessions } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { visibleTo } from "./prefixes.ts";
import { addReference } from "./references.ts";
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
  holdListed(tx, session, request);
  return { kind: "attached", session: sessions.update(tx, key, (known) => slide(known, nowMs)) };
}

export function areVisible(
  tx: CatalogTransaction,
  tenant: string,
  { listed, trusts, nowMs }: WantedListing,
): boolean {
  const isVisible = visibleTo(tx, { tenant, trusts }, nowMs);
  return listed.every(({ segment }) => isVisible(segment));
}

/** So that nothing that a session goes on from vanishes under it. What is above its limit is not kept for it. */
export function holdListed(tx: CatalogTransaction, session: Session, listing: Listing): void {
  const { listed, nowMs } = listing;
  const room = Math.max(0, SESSION_SEGMENTS_LIMIT - session.segments);
  const holder = sessionHolder(session);
  for (const { segment: id, place } of listed.slice(0, room)) {
    addReference(tx, holder, { segment: segments.must(tx, { id }), nowMs, place });
  }
}
