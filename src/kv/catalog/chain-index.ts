/**
 * Which durable segments end where on a chain, in three levels: an anchor lists the grid points below it that have an entry, and the
 * entry of a grid point lists the leaves below it, each by its distance and with how many there are. So a match looks at what there
 * is and not at every position; an entry that goes takes itself off the list above it.
 */
import type { Digest } from "../digest.ts";
import type { IndexPlace, PlacedSegment } from "../records.ts";
import { anchorKey, chainKey, type GridPlace } from "./keys.ts";
import { getRecord, putRecord } from "./layer.ts";
import {
  anchorEntryCodec,
  type ChainEntry,
  chainEntryCodec,
  type OffsetCount,
} from "./record-codecs.ts";
import type { CatalogTransaction, CatalogView, Key } from "./transaction.ts";

const EMPTY: ChainEntry = { ends: [], leaves: [] };

/** Of a grid point, or of a leaf below it. */
export function chainEntry(view: CatalogView, grid: GridPlace, digest: Digest): ChainEntry {
  return getRecord(view, chainKey(grid, digest), chainEntryCodec) ?? EMPTY;
}

/** The steps from the anchor to each grid point below it that has an entry, in order. */
export function anchorEntry(view: CatalogView, key: Digest): readonly OffsetCount[] {
  return getRecord(view, anchorKey(key), anchorEntryCodec) ?? [];
}

/** The listed segments of the namespace that were said to end there. */
export function endsAt(view: CatalogView, place: IndexPlace): ChainEntry["ends"] {
  return chainEntry(view, place, endKey(place)).ends;
}

export function indexSegment(tx: CatalogTransaction, placed: PlacedSegment): void {
  const { segment, tokenStart, place } = placed;
  const { ends, leaves } = chainEntry(tx, place, endKey(place));
  saveEnd(tx, place, { ends: [...ends, { tokenStart, segment }], leaves });
}

export function unindexSegment(tx: CatalogTransaction, { segment, place }: PlacedSegment): void {
  const { ends, leaves } = chainEntry(tx, place, endKey(place));
  saveEnd(tx, place, { ends: ends.filter((known) => known.segment !== segment), leaves });
}

function saveEnd(tx: CatalogTransaction, place: IndexPlace, entry: ChainEntry): void {
  const { leaf } = place;
  if (leaf === undefined) return saveGrid(tx, place, entry);
  const change = saveEntry(tx, chainKey(place, leaf.key), entry);
  if (change === 0) return;
  const grid = chainEntry(tx, place, place.gridKey);
  saveGrid(tx, place, { ...grid, leaves: counted(grid.leaves, leaf.length, change) });
}

function saveGrid(tx: CatalogTransaction, place: IndexPlace, entry: ChainEntry): void {
  const change = saveEntry(tx, chainKey(place, place.gridKey), entry);
  if (change === 0) return;
  const points = counted(anchorEntry(tx, place.anchorKey), place.offset, change);
  const key = anchorKey(place.anchorKey);
  if (points.length === 0) tx.remove(key);
  else putRecord(tx, key, { record: points, codec: anchorEntryCodec });
}

/** By how many the entries became more. */
function saveEntry(tx: CatalogTransaction, key: Key, entry: ChainEntry): -1 | 0 | 1 {
  const wasThere = getRecord(tx, key, chainEntryCodec) !== undefined;
  const isThere = entry.ends.length + entry.leaves.length > 0;
  // In one order, so that equal contents are equal bytes, whatever happened before.
  const ends = entry.ends.toSorted(byStartThenId);
  const record = { ends, leaves: entry.leaves };
  if (isThere) putRecord(tx, key, { record, codec: chainEntryCodec });
  else tx.remove(key);
  return wasThere === isThere ? 0 : isThere ? 1 : -1;
}

function counted(known: readonly OffsetCount[], offset: number, more: -1 | 1): OffsetCount[] {
  const entries = more + (known.find((each) => each.offset === offset)?.entries ?? 0);
  const others = known.filter((each) => each.offset !== offset);
  if (entries === 0) return others;
  return [...others, { offset, entries }].toSorted((a, b) => a.offset - b.offset);
}

function byStartThenId(a: ChainEntry["ends"][number], b: ChainEntry["ends"][number]): number {
  return a.tokenStart - b.tokenStart || (a.segment < b.segment ? -1 : 1);
}

function endKey({ gridKey, leaf }: IndexPlace): Digest {
  return leaf === undefined ? gridKey : leaf.key;
}
