/**
 * Where a segment ends, as an index has it. Ends lie at grid points or below them, and every 64th grid point is an anchor, whose
 * entry lists the points from there on at which something ends. So a look at a prompt of 2,000 grid points asks 32 anchors and then
 * only for what there is.
 */
import type { Digest, Digests } from "../digest.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { ChainPlace, IndexPlace } from "../records.ts";
import type { ChainEnd } from "./chain.ts";
import { indexKey, type NamespaceKey } from "./index-key.ts";

/** Grid steps from one anchor to the next; the first is the start of the chain. */
export const ANCHOR_STEPS = 64;

export interface ChainEnds {
  readonly step: number;
  endAt(at: number): ChainEnd | undefined;
}

/** Of the end after `at` units; undefined where the chain does not say what lies before it. */
export function chainPlace(chain: ChainEnds, at: number): ChainPlace | undefined {
  const index = Math.floor(at / chain.step);
  const offset = index % ANCHOR_STEPS;
  const length = at % chain.step;
  const anchor = chain.endAt((index - offset) * chain.step);
  const grid = chain.endAt(index * chain.step);
  const end = chain.endAt(at);
  if (anchor === undefined || grid === undefined || end === undefined) return undefined;
  const leaf = length === 0 ? undefined : { length, digest: end.digest };
  return { anchor: anchor.digest, offset, grid: grid.digest, leaf };
}

export interface KeyedPlace {
  readonly geometry: GeometryKey;
  readonly place: ChainPlace;
}

/** The same under the key of a namespace. */
export function indexPlace(
  namespace: NamespaceKey,
  { geometry, place }: KeyedPlace,
  digests: Digests,
): IndexPlace {
  const { anchor, offset, grid, leaf } = place;
  const keyOf = (digest: Digest) => indexKey(namespace, { geometry, end: { digest } }, digests);
  return {
    anchorKey: keyOf(anchor),
    offset,
    gridKey: keyOf(grid),
    leaf: leaf && { length: leaf.length, key: keyOf(leaf.digest) },
  };
}
