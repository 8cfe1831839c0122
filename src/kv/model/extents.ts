/**
 * Which bytes of a segment hold a range of its tokens: one extent in each plane. All are of one length and one distance apart,
 * ranks included, so a cut is four numbers however many extents it has. Copied in order, they are a segment of that range.
 *
 * Offsets count from the segment's `kv_start`.
 */
import { AppError } from "../../errors.ts";
import { assertSegmentTokens, type SegmentLayout } from "./layout.ts";

/** `count` extents of `lengthBytes`; the first at `offsetBytes`, each next one `strideBytes` further on. */
export interface Extents {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly strideBytes: number;
  readonly count: number;
}

export interface Extent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** The tokens [`start`, `start` + `length`) of a segment, counted from its first. */
export interface TokenCut {
  readonly segmentTokens: number;
  readonly start: number;
  readonly length: number;
}

/** All ranks, rank 0 first. Throws when the range is empty or leaves the segment. */
export function cutExtents(layout: SegmentLayout, cut: TokenCut): Extents {
  assertSegmentTokens(cut.segmentTokens);
  const { segmentTokens, start, length } = cut;
  const isWithin = Number.isInteger(start) && Number.isInteger(length) && start >= 0 && length >= 1;
  if (!isWithin || start + length > segmentTokens) {
    const range = `[${start}, ${start + length})`;
    throw new AppError("internal", `token range ${range} must lie in [0, ${segmentTokens})`);
  }
  return {
    offsetBytes: start * layout.unitBytes,
    lengthBytes: length * layout.unitBytes,
    strideBytes: segmentTokens * layout.unitBytes,
    count: layout.planes,
  };
}

/** Those extents of a whole cut that are one rank's. */
export function extentsOfRank(extents: Extents, layout: SegmentLayout, rank: number): Extents {
  if (!Number.isInteger(rank) || rank < 0 || rank >= layout.ranks) {
    throw new AppError("internal", `rank ${rank} must be an integer from 0 to ${layout.ranks - 1}`);
  }
  const count = layout.planes / layout.ranks;
  const offsetBytes = extents.offsetBytes + rank * count * extents.strideBytes;
  return { ...extents, offsetBytes, count };
}

/** In order of offset. */
export function* eachExtent(extents: Extents): Generator<Extent, void, undefined> {
  const { offsetBytes, lengthBytes, strideBytes, count } = extents;
  for (let i = 0; i < count; i++) {
    yield { offsetBytes: offsetBytes + i * strideBytes, lengthBytes };
  }
}
