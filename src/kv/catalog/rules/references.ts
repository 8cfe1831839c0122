/**
 * Who lists what. A reference is two keys, from the holder and from the segment, with the time since when; it is counted on both
 * sides, and for each namespace, where a segment can be found exactly while somebody of that namespace lists it.
 *
 * A segment that many list is taken from all of them at once by being withdrawn: it has no record any more, and whoever meets its
 * id passes it over. The references follow, in as many passes as it takes.
 */
import {
  type Holder,
  type IndexPlace,
  namespaceOf,
  type PlacedSegment,
  type Segment,
  type SegmentId,
  type WithdrawnSegment,
} from "../../records.ts";
import { decode, encode, uint } from "../codec.ts";
import {
  parseReference,
  parseReferrer,
  placesPrefix,
  type ReferredSegment,
  referenceKey,
  referencesPrefix,
  referrerKey,
  referrersPrefix,
  scan,
  UNLIMITED,
} from "../keys.ts";
import { places, prefixes, segmentAt, segments, sessionsWith, withdrawn } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";
import { forgetPriorities, raisePriorities } from "./file-priority.ts";

/** References that go with their holder in the rule that ends it: some milliseconds' worth. The sweep drops the others. */
export const DROPPED_AT_ONCE = 128;

const NOTHING = new Uint8Array(0);

/** By token start, with what is withdrawn. */
export function listReferences(view: CatalogView, holder: Holder): readonly SegmentId[] {
  const prefix = referencesPrefix(holder);
  return scan(view, prefix, UNLIMITED).map(({ key }) => parseReference(prefix, key));
}

/** By token start. */
export function listedBy(view: CatalogView, holder: Holder): Segment[] {
  return listReferences(view, holder)
    .map((id) => segmentAt(view, id))
    .filter((segment) => segment !== undefined);
}

/** Those who have listed it for longest come first. */
export function listReferrers(
  view: CatalogView,
  id: SegmentId,
  limit = UNLIMITED,
): readonly Holder[] {
  const prefix = referrersPrefix(id);
  return scan(view, prefix, limit).map(({ key }) => parseReferrer(prefix, key));
}

export interface NewReference {
  /** Durable. */
  readonly segment: Segment;
  readonly nowMs: number;
  /** In the holder's namespace; asked for the first reference there. */
  readonly place: () => IndexPlace;
}

/** Listing it again changes nothing. */
export function addReference(tx: CatalogTransaction, holder: Holder, added: NewReference): void {
  const { segment } = added;
  if (!linkReference(tx, holder, added)) return;
  segments.update(tx, segment, (known) => ({ ...known, refs: known.refs + 1 }));
  raisePriorities(tx, segment, holder);
}

type Link = Omit<NewReference, "segment"> & { readonly segment: ReferredSegment };

/** As it was when the segment was withdrawn: what an audit makes anew. */
export function addWithdrawnReference(tx: CatalogTransaction, holder: Holder, added: Link): void {
  if (!linkReference(tx, holder, added)) return;
  withdrawn.update(tx, added.segment, (known) => ({ ...known, refs: known.refs + 1 }));
}

/** False if the holder refers to it already. */
function linkReference(tx: CatalogTransaction, holder: Holder, added: Link): boolean {
  const { segment, nowMs } = added;
  if (tx.get(referenceKey(holder, segment)) !== undefined) return false;
  const { id, tokenStart } = segment;
  tx.put(referenceKey(holder, segment), encode(uint, nowMs));
  tx.put(referrerKey(id, { holder, sinceMs: nowMs }), NOTHING);
  const at = { segment: id, namespace: namespaceOf(holder) };
  const placed = places.get(tx, at) ?? { ...at, tokenStart, place: added.place(), refs: 0 };
  places.save(tx, { ...placed, refs: placed.refs + 1 });
  countListed(tx, holder, 1);
  return true;
}

/**
 * The last reference takes the segment with it; its bytes go with their file. With the last one of the tenant that is charged, the
 * charge goes to whoever of the others has listed it for longest.
 */
export function removeReference(tx: CatalogTransaction, holder: Holder, id: SegmentId): void {
  const segment = segmentAt(tx, id);
  const referred = segment ?? withdrawn.must(tx, { id });
  const since = tx.get(referenceKey(holder, referred));
  if (since === undefined) return;
  tx.remove(referenceKey(holder, referred));
  tx.remove(referrerKey(id, { holder, sinceMs: decode(uint, since) }));
  leavePlace(tx, places.must(tx, { segment: id, namespace: namespaceOf(holder) }));
  countListed(tx, holder, -1);
  if (segment === undefined) return leaveWithdrawn(tx, referred);
  if (segment.refs === 1) return segments.delete(tx, segment);
  segments.save(tx, { ...segment, refs: segment.refs - 1, tenant: payerOf(tx, segment) });
  forgetPriorities(tx, segment);
}

function leavePlace(tx: CatalogTransaction, placed: PlacedSegment): void {
  if (placed.refs === 1) places.delete(tx, placed);
  else places.save(tx, { ...placed, refs: placed.refs - 1 });
}

function leaveWithdrawn(tx: CatalogTransaction, known: Pick<WithdrawnSegment, "id">): void {
  const { id, tokenStart, refs } = withdrawn.must(tx, known);
  if (refs === 1) withdrawn.delete(tx, { id });
  else withdrawn.save(tx, { id, tokenStart, refs: refs - 1 });
}

function payerOf(view: CatalogView, { id, tenant }: Segment): string {
  if (isListedBy(view, id, tenant)) return tenant;
  return listReferrers(view, id, 1)[0]?.tenant ?? tenant;
}

/** By a session or a prefix of the tenant. */
export function isListedBy(view: CatalogView, id: SegmentId, tenant: string): boolean {
  return scan(view, placesPrefix(id, tenant), 1).length > 0;
}

function countListed(tx: CatalogTransaction, holder: Holder, more: 1 | -1): void {
  const { kind, tenant, id } = holder;
  const counted = <T extends { readonly segments: number }>(known: T): T => ({
    ...known,
    segments: known.segments + more,
  });
  if (kind === "session") sessionsWith(tx, holder).update(tx, holder, counted);
  else prefixes.update(tx, { tenant, name: id }, counted);
}

/** The last ones by token start, so that what is left is a prefix. Returns how many there were. */
export function dropReferences(tx: CatalogTransaction, holder: Holder, limit: number): number {
  const last = limit > 0 ? listReferences(tx, holder).slice(-limit).toReversed() : [];
  for (const id of last) removeReference(tx, holder, id);
  return last.length;
}

/** From everybody who lists it, at once and whoever that is: `dropWithdrawn` drops the references. It is durable. */
export function withdraw(tx: CatalogTransaction, id: SegmentId): void {
  const { tokenStart, refs } = segments.must(tx, { id });
  segments.delete(tx, { id });
  withdrawn.save(tx, { id, tokenStart, refs });
}

/** References to one that is withdrawn. Returns how many there were; with the last one it is forgotten. */
export function dropWithdrawn(tx: CatalogTransaction, id: SegmentId, limit: number): number {
  const holders = limit > 0 ? listReferrers(tx, id, limit) : [];
  for (const holder of holders) removeReference(tx, holder, id);
  return holders.length;
}
