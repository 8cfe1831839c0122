/**
 * The affinity ring of one pool: for every slot, the pool's members in the order in which sessions of that slot prefer them.
 * A session key picks the slot, so a lookup is one hash and one array read. `ring-build.ts` makes rings, `docs/ring.md` gives
 * the formula and the test vectors.
 *
 * Weighted rendezvous over fixed slots, rather than virtual nodes on a circle: each member is scored for each slot on its own,
 * so weights are exact in expectation, a member that leaves or joins changes nothing but its own slots, and the rank order of a
 * slot is at the same time its failover list.
 */
import type { EndpointId } from "../endpoints/endpoint.ts";

/** XXH64 with seed 0 of the UTF-8 bytes of `text`, unsigned. */
export type Hash64 = (text: string) => bigint;

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
  /**
   * The member at `rank` (0 is best) for a slot, or -1 past the last one. The first 8 ranks are one array read; a deeper one
   * scores and sorts the whole pool, once for consecutive calls on one slot.
   */
  memberAt(slot: number, rank: number): number;
}

/** Ranks that a ring stores for each slot. */
export const STORED_RANKS = 8;
/** What 16-bit ranks can number. */
export const MAX_MEMBERS = 65_535;
export const MAX_SLOTS = 1_048_576;

/** How many slots a member leads on average; what it really leads lies within 5 / sqrt(slots) of that, as a share of it. */
export interface SlotShare {
  readonly id: EndpointId;
  readonly slots: number;
}

/** The expected share of each member that is on the ring, the smallest first. Empty when no member has a weight above 0. */
export function expectedSlots(members: Iterable<RingMember>, slots: number): readonly SlotShare[] {
  const onRing = [...members].filter(({ weight }) => weight > 0);
  const totalWeight = onRing.reduce((sum, { weight }) => sum + weight, 0);
  return onRing
    .map(({ id, weight }) => ({ id, slots: (slots * weight) / totalWeight }))
    .toSorted((a, b) => a.slots - b.slots);
}
