/**
 * What a URL of a segment's bytes stands for: all of them, or a range of its tokens as one body, cut out by geometry. Either way a
 * run of bytes that never changes, with a strong entity tag, of which any part can be found in the file.
 */
import type { ByteRange } from "../../kv/location.ts";
import { cutExtents, type Extents, extentsOfRank } from "../../kv/model/extents.ts";
import type { SegmentLayout } from "../../kv/model/layout.ts";
import type { Segment } from "../../kv/records.ts";

export interface Representation {
  readonly lengthBytes: number;
  /** With its quotes. */
  readonly etag: string;
  /** Of all its bytes, where that is known. */
  readonly crc: number | undefined;
  /** Where the range of it lies in the file, in order. The range is within `lengthBytes`. */
  locate(range: ByteRange): readonly ByteRange[];
}

/** Tokens of the session, all of them within the segment. */
export interface TokenRange {
  readonly tokenStart: number;
  readonly tokenLength: number;
  /** All ranks when undefined. */
  readonly rank: number | undefined;
}

export function wholeSegment({ id, crc, kvStart, bytes }: Segment): Representation {
  return {
    lengthBytes: bytes,
    etag: `"${id}-${crcText(crc)}"`,
    crc,
    locate: ({ offset, length }) => [{ offset: kvStart + offset, length }],
  };
}

/** Equal to what a segment of just these tokens would hold, or one rank's part of it. */
export function cutOfSegment(
  segment: Segment,
  layout: SegmentLayout,
  { tokenStart, tokenLength, rank }: TokenRange,
): Representation {
  const { id, crc, kvStart, tokenLength: segmentTokens } = segment;
  const start = tokenStart - segment.tokenStart;
  const all = cutExtents(layout, { segmentTokens, start, length: tokenLength });
  const extents = rank === undefined ? all : extentsOfRank(all, layout, rank);
  const cut = [tokenStart, tokenLength, ...(rank === undefined ? [] : [rank])].join("-");
  return {
    lengthBytes: extents.count * extents.lengthBytes,
    etag: `"${id}-${crcText(crc)}-${cut}"`,
    crc: undefined,
    locate: (range) =>
      locateIn(extents, range).map(({ offset, length }) => ({ offset: kvStart + offset, length })),
  };
}

/** 8 hex digits. */
export function crcText(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}

function locateIn(extents: Extents, { offset, length }: ByteRange): ByteRange[] {
  const { offsetBytes, lengthBytes, strideBytes } = extents;
  if (lengthBytes === strideBytes) return [{ offset: offsetBytes + offset, length }];
  const found: ByteRange[] = [];
  const end = offset + length;
  for (let at = offset; at < end;) {
    const index = Math.floor(at / lengthBytes);
    const within = at - index * lengthBytes;
    const taken = Math.min(lengthBytes - within, end - at);
    found.push({ offset: offsetBytes + index * strideBytes + within, length: taken });
    at += taken;
  }
  return found;
}
