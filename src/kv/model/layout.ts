/**
 * How the bytes of a segment lie, as the engine writes them. A segment is one flat tensor,
 *
 *     mha   [2 (K, then V), layers, tokens, kv heads of a rank, head dim]   once for each rank, rank 0 first
 *     mla   [layers, tokens, 1, lora rank + rope dim]                       once; every rank has the same
 *
 * which is all one thing here: `planes` x tokens x `unitBytes`, where a plane is one layer of K or V (or of the latent) of one
 * rank, and a unit is one token in one plane. The bytes of a token are therefore not contiguous, and two segments one after the
 * other are no longer segment.
 */
import { AppError } from "../../errors.ts";
import {
  DTYPE_BYTES,
  type ModelProfile,
  profileProblems,
  SEGMENT_TOKENS_LIMIT,
} from "./profile.ts";

/** All sizes are exact integers, also times `SEGMENT_TOKENS_LIMIT`. */
export interface SegmentLayout {
  readonly elementBytes: number;
  /** One token in one plane. */
  readonly unitBytes: number;
  readonly layers: number;
  /** 2 for K and V, 1 for a latent. */
  readonly parts: number;
  /** Ranks with bytes of their own in a segment. */
  readonly ranks: number;
  /** `ranks` x `parts` x `layers`. */
  readonly planes: number;
  readonly bytesPerToken: number;
  /** Rank r starts at `kv_start` + r x the segment's tokens x this. */
  readonly perRankBytesPerToken: number;
}

/** Throws for a profile with problems. */
export function layoutOf(profile: ModelProfile): SegmentLayout {
  const problems = profileProblems(profile);
  if (problems.length > 0) throw new AppError("internal", `model profile: ${problems.join("; ")}`);

  const elementBytes = DTYPE_BYTES[profile.dtype];
  const shape =
    profile.kind === "mha"
      ? {
          ranks: profile.tensorParallel,
          parts: 2,
          elements: (profile.kvHeads / profile.tensorParallel) * profile.headDim,
        }
      : { ranks: 1, parts: 1, elements: profile.loraRank + profile.ropeDim };
  const { ranks, parts } = shape;
  const { layers } = profile;
  const unitBytes = shape.elements * elementBytes;
  const perRankBytesPerToken = parts * layers * unitBytes;
  return {
    elementBytes,
    unitBytes,
    layers,
    parts,
    ranks,
    planes: ranks * parts * layers,
    bytesPerToken: ranks * perRankBytesPerToken,
    perRankBytesPerToken,
  };
}

/** Throws past `SEGMENT_TOKENS_LIMIT`. */
export function segmentBytes(layout: SegmentLayout, tokens: number): number {
  assertSegmentTokens(tokens);
  return tokens * layout.bytesPerToken;
}

export function assertSegmentTokens(tokens: number): void {
  if (Number.isInteger(tokens) && tokens >= 1 && tokens <= SEGMENT_TOKENS_LIMIT) return;
  const limit = `an integer from 1 to ${SEGMENT_TOKENS_LIMIT}`;
  throw new AppError("internal", `segment tokens ${tokens} must be ${limit}`);
}
