/** The CRC-32 of a segment and, in the same read, those of the segments that it is to be cut into. */
import type { SegmentLayout } from "../model/layout.ts";
import type { Crc32 } from "../verify/segment-pass.ts";

export interface CutShape {
  readonly layout: SegmentLayout;
  /** Of the segment. */
  readonly tokens: number;
  /** Tokens of each part, one behind the other from the first token; together no more than the segment's. */
  readonly lengths: readonly number[];
}

export interface CutSums {
  readonly whole: number;
  readonly parts: readonly number[];
}

/** `chunks`: of all of the segment, in order. */
export async function cutSums(
  chunks: AsyncIterable<Uint8Array>,
  { layout: { unitBytes }, tokens, lengths }: CutShape,
  crc32: Crc32,
): Promise<CutSums> {
  let whole = 0;
  const parts = lengths.map(() => 0);
  const ends = partEnds(lengths, unitBytes);
  const planeBytes = tokens * unitBytes;
  let inPlane = 0;
  for await (const chunk of chunks) {
    whole = crc32(chunk, whole);
    for (let at = 0; at < chunk.length;) {
      const part = ends.findIndex((end) => inPlane < end);
      const until = ends[part] ?? planeBytes;
      const piece = chunk.subarray(at, at + until - inPlane);
      if (part >= 0) parts[part] = crc32(piece, parts[part] ?? 0);
      at += piece.length;
      inPlane = (inPlane + piece.length) % planeBytes;
    }
  }
  return { whole, parts };
}

/** In bytes of a plane. */
function partEnds(lengths: readonly number[], unitBytes: number): number[] {
  let end = 0;
  return lengths.map((length) => (end += length * unitBytes));
}
