/** Who lists what: a reference is two keys, from the session and from the segment, and one count on each side. */
import type { Segment, SegmentId, SessionKey } from "../../records.ts";
import {
  parseReference,
  parseSessionKey,
  referenceKey,
  referencesPrefix,
  referrerKey,
  referrersPrefix,
  scan,
  UNLIMITED,
} from "../keys.ts";
import { segments, sessions } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";

const NOTHING = new Uint8Array(0);

/** By token start. */
export function listReferences(view: CatalogView, session: SessionKey): readonly SegmentId[] {
  const prefix = referencesPrefix(session);
  return scan(view, prefix, UNLIMITED).map(({ key }) => parseReference(prefix, key));
}

export function listReferrers(view: CatalogView, id: SegmentId): readonly SessionKey[] {
  const prefix = referrersPrefix(id);
  return scan(view, prefix, UNLIMITED).map(({ key }) => parseSessionKey(key.slice(prefix.length)));
}

/** The segment is durable. Listing it again changes nothing. */
export function addReference(tx: CatalogTransaction, session: SessionKey, segment: Segment): void {
  if (tx.get(referenceKey(session, segment)) !== undefined) return;
  tx.put(referenceKey(session, segment), NOTHING);
  tx.put(referrerKey(session, segment), NOTHING);
  segments.update(tx, segment, (known) => ({ ...known, refs: known.refs + 1 }));
  sessions.update(tx, session, (known) => ({ ...known, segments: known.segments + 1 }));
}

/** The last reference takes the segment with it; its bytes go with their file. */
export function removeReference(tx: CatalogTransaction, session: SessionKey, id: SegmentId): void {
  const segment = segments.must(tx, { id });
  tx.remove(referenceKey(session, segment));
  tx.remove(referrerKey(session, segment));
  if (segment.refs === 1) segments.delete(tx, segment);
  else segments.save(tx, { ...segment, refs: segment.refs - 1 });
  sessions.update(tx, session, (known) => ({ ...known, segments: known.segments - 1 }));
}
