/**
 * The blocks of a segment none of which may be all zero, because a block that the engine has not written yet is: reserved files
 * are sparse. With elements of 16 bits and more a block is one token in one plane; a real one is never all zero. Elements of 8
 * bits do round to zero, one token's often enough, so there a block is an aligned 4 KiB of the file, which is also what a
 * filesystem leaves out.
 *
 * Not seen: what is missing within a block, and (8 bits only) an edge of the segment that is shorter than one token in one plane.
 */
import type { Extent } from "./extents.ts";
import { segmentBytes, type SegmentLayout } from "./layout.ts";

const ALIGNED_BLOCK_BYTES = 4096;

/**
 * Offsets from the segment's `kv_start`. The first block is [`startBytes`, `firstEndBytes`), then come blocks of `blockBytes`,
 * the last of which ends at `endBytes` and may be shorter.
 */
export interface NonzeroBlocks {
  readonly startBytes: number;
  readonly firstEndBytes: number;
  readonly blockBytes: number;
  readonly endBytes: number;
}

export interface SegmentPlace {
  readonly tokens: number;
  /** Bytes from the start of the file. */
  readonly kvStart: number;
}

export function nonzeroBlocks(layout: SegmentLayout, place: SegmentPlace): NonzeroBlocks {
  const bytes = segmentBytes(layout, place.tokens);
  const { unitBytes } = layout;
  if (layout.elementBytes > 1) {
    return { startBytes: 0, firstEndBytes: unitBytes, blockBytes: unitBytes, endBytes: bytes };
  }
  const head = (ALIGNED_BLOCK_BYTES - (place.kvStart % ALIGNED_BLOCK_BYTES)) % ALIGNED_BLOCK_BYTES;
  const tail = (place.kvStart + bytes) % ALIGNED_BLOCK_BYTES;
  if (head + tail >= bytes) return wholeOf(bytes);
  const startBytes = head < unitBytes ? head : 0;
  const firstEndBytes = startBytes < head ? head : head + ALIGNED_BLOCK_BYTES;
  const endBytes = tail < unitBytes ? bytes - tail : bytes;
  return { startBytes, firstEndBytes, blockBytes: ALIGNED_BLOCK_BYTES, endBytes };
}

/** In order of offset. */
export function* eachBlock(blocks: NonzeroBlocks): Generator<Extent, void, undefined> {
  let offsetBytes = blocks.startBytes;
  let end = blocks.firstEndBytes;
  while (offsetBytes < blocks.endBytes) {
    yield { offsetBytes, lengthBytes: end - offsetBytes };
    offsetBytes = end;
    end = Math.min(end + blocks.blockBytes, blocks.endBytes);
  }
}

/** A segment without an aligned block in it is small enough to be one. */
function wholeOf(bytes: number): NonzeroBlocks {
  return { startBytes: 0, firstEndBytes: bytes, blockBytes: bytes, endBytes: bytes };
}
