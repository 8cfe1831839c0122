import type { Ring, RingMember } from "../../src/affinity/ring.ts";

/**
 * A ring that a reader checks by hand. The slot is the number at the end of the key, and its ranks are the members in order
 * from there: with members a, b, c the session "s1" ranks b, c, a.
 */
export function plainRing(members: readonly RingMember[]): Ring {
  const sorted = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const slots = 65_536;
  return {
    slots,
    members: sorted,
    slotOf: (key) => Number(/\d+$/.exec(key)?.[0] ?? 0) % slots,
    memberAt: (slot, rank) => (rank < sorted.length ? (slot + rank) % sorted.length : -1),
  };
}
