import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import type { Ring } from "../affinity/ring.ts";
import { AppError } from "../errors.ts";
import type { EndpointId } from "./endpoint.ts";
import type { Member } from "./member.ts";

export interface SnapshotParts {
  readonly name: string;
  readonly generation: number;
  readonly ring: Ring;
  /** All that are listed, and all that the ring has. */
  readonly members: ReadonlyMap<EndpointId, Member>;
}

/** A member that is gone keeps its position on the ring, as `down`, but is not in `byId`. Costs one walk over the members. */
export function createSnapshot({ name, generation, ring, members }: SnapshotParts): PoolSnapshot {
  const onRing = ring.members.map(({ id }) => memberOf(id, members));
  const ringIds = new Set(ring.members.map(({ id }) => id));
  const beside = [...members.values()]
    .filter(({ isGone, spec }) => !isGone && !ringIds.has(spec.id))
    .toSorted((a, b) => (a.spec.id < b.spec.id ? -1 : 1));
  const all = [...onRing, ...beside];
  const listed = all.filter(({ isGone }) => !isGone);
  const ready = onRing.filter(({ endpoint }) => endpoint.state === "ready");
  return {
    name,
    generation,
    endpoints: all.map(({ endpoint }) => endpoint),
    byId: new Map(listed.map(({ endpoint }) => [endpoint.id, endpoint])),
    ring,
    // A weight that has just become 0 is still on the ring until that is ranked anew.
    readyWeight: ready.reduce((sum, { endpoint }) => sum + Math.max(0, endpoint.weight), 0),
  };
}

function memberOf(id: EndpointId, members: ReadonlyMap<EndpointId, Member>): Member {
  const member = members.get(id);
  if (member === undefined) throw new AppError("internal", `ring member ${id} is not in the pool`);
  return member;
}
