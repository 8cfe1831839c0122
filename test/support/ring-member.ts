import type { Ring, RingMember } from "../../src/affinity/ring.ts";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";

export function member(id: string, weight = 1): RingMember {
  return { id: id as EndpointId, weight };
}

/** e0, e1, ... with a weight of 1. */
export function equalMembers(count: number): RingMember[] {
  return Array.from({ length: count }, (_, index) => member(`e${index}`));
}

/** The ids of a slot in rank order, all of them or the first `count`. */
export function rankedIds(ring: Ring, slot: number, count = ring.members.length): string[] {
  return Array.from(
    { length: Math.min(count, ring.members.length) },
    (_, rank) => ring.members[ring.memberAt(slot, rank)]?.id ?? "none",
  );
}

/** By slot: the id at rank 0. */
export function leaders(ring: Ring): string[] {
  return Array.from({ length: ring.slots }, (_, slot) => rankedIds(ring, slot, 1)[0] ?? "none");
}
