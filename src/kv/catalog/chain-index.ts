/**
 * Which durable segments end where on a chain. The entry of a grid point also counts the leaves below it by their length, so that
 * a match tries those lengths only and not every position.
 */
import { AppError } from "../../errors.ts";
import type { Digest } from "../digest.ts";
import type { IndexPlace, Segment, SegmentId } from "../records.ts";
import { decode, encode } from "./codec.ts";
import { chainKey } from "./keys.ts";
import { type ChainEntry, chainEntryCodec, type LeafCount } from "./record-codecs.ts";
import type { CatalogTransaction, CatalogView } from "./transaction.ts";

const EMPTY: ChainEntry = { ends: [], leaves: [] };

export function chainEntry(view: CatalogView, key: Digest): ChainEntry | undefined {
  const encoded = view.get(chainKey(key));
  return encoded === undefined ? undefined : decode(chainEntryCodec, encoded);
}

/** The listed segment that equals one with this start and end. */
export function findEqual(
  view: CatalogView,
  tokenStart: number,
  end: IndexPlace,
): SegmentId | undefined {
  const ends = chainEntry(view, keyOf(end))?.ends;
  return ends?.find((known) => known.tokenStart === tokenStart)?.segment;
}

export function indexChain(tx: CatalogTransaction, { id, tokenStart, chain }: Segment): void {
  const end = placeOf(id, chain?.end);
  const known = chainEntry(tx, keyOf(end)) ?? EMPTY;
  save(tx, keyOf(end), { ...known, ends: [...known.ends, { tokenStart, segment: id }] });
  if (known.ends.length === 0) countLeaf(tx, end, 1);
}

export function unindexChain(tx: CatalogTransaction, { id, chain }: Segment): void {
  const end = placeOf(id, chain?.end);
  const known = chainEntry(tx, keyOf(end)) ?? EMPTY;
  const ends = known.ends.filter(({ segment }) => segment !== id);
  save(tx, keyOf(end), { ...known, ends });
  if (ends.length === 0) countLeaf(tx, end, -1);
}

function countLeaf(tx: CatalogTransaction, { gridKey, leaf }: IndexPlace, more: 1 | -1): void {
  if (leaf === undefined) return;
  const entry = chainEntry(tx, gridKey) ?? EMPTY;
  const count = entry.leaves.find(({ length }) => length === leaf.length)?.places ?? 0;
  const others = entry.leaves.filter(({ length }) => length !== leaf.length);
  const counted: LeafCount[] =
    count + more === 0 ? [] : [{ length: leaf.length, places: count + more }];
  save(tx, gridKey, { ...entry, leaves: [...others, ...counted] });
}

function save(tx: CatalogTransaction, key: Digest, entry: ChainEntry): void {
  if (entry.ends.length + entry.leaves.length === 0) return tx.remove(chainKey(key));
  // In one order, so that equal contents are equal bytes, whatever happened before.
  const ends = entry.ends.toSorted((a, b) => a.tokenStart - b.tokenStart);
  const leaves = entry.leaves.toSorted((a, b) => a.length - b.length);
  tx.put(chainKey(key), encode(chainEntryCodec, { ends, leaves }));
}

function keyOf({ gridKey, leaf }: IndexPlace): Digest {
  return leaf === undefined ? gridKey : leaf.key;
}

function placeOf(id: SegmentId, end: IndexPlace | undefined): IndexPlace {
  if (end !== undefined) return end;
  throw new AppError("internal", `durable segment ${id} has no chain`);
}
