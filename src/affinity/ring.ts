/**
 * CONTRACT ONLY, the implementation follows: the affinity ring of one pool (docs/ring.md).
 */
import type { EndpointId } from "../endpoints/endpoint.ts";

export interface RingMember {
  readonly id: EndpointId;
  /** > 0. */
  readonly weight: number;
}

/** Immutable. Ranks are positions in `members`. */
export interface Ring {
  /** A power of two. */
  readonly slots: number;
  /** Sorted by id (code unit order), so that input order never matters. */
  readonly members: readonly RingMember[];
  /** The slot of a session key: the low bits of XXH64 (seed 0) of its UTF-8 bytes. */
  slotOf(key: string): number;
  /** The member at `rank` (0 is best) for a slot, or -1 past the last one. The first 8 ranks are one array read. */
  memberAt(slot: number, rank: number): number;
}
