/**
 * Pools as `GET /v1/pools` shows them.
 */
import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import type { Ring } from "../affinity/ring.ts";
import type { Clock } from "../clock.ts";
import type { LastCheck } from "../endpoints/member.ts";
import type { RoutingPorts } from "./ports.ts";

/** Counting a large ring takes milliseconds, and a ring never changes: its shares live as long as it does. */
const sharesOf = new WeakMap<Ring, Float64Array>();

export function viewPool(pool: PoolSnapshot, ports: RoutingPorts) {
  const load = ports.load(pool.name);
  const shares = ringShares(pool.ring);
  return {
    name: pool.name,
    generation: pool.generation,
    ringSlots: pool.ring.slots,
    sessions: load.total(),
    endpoints: pool.endpoints.map((endpoint, index) => ({
      id: endpoint.id,
      address: endpoint.address,
      state: endpoint.state,
      cause: ports.stateCause(pool.name, endpoint.id) ?? null,
      lastCheck: viewCheck(ports.pools.lastCheck(pool.name, endpoint.id), ports.clock),
      weight: endpoint.weight,
      labels: endpoint.labels,
      sessions: load.on(endpoint.id),
      ringShare: shares[index] ?? 0,
    })),
  };
}

function viewCheck(check: LastCheck | undefined, clock: Clock) {
  if (check === undefined) return null;
  return { result: check.failure ?? "ok", agoMs: Math.round(clock.now() - check.atMs) };
}

/** By member: the share of slots for which it is the first rank. */
function ringShares(ring: Ring): Float64Array {
  let shares = sharesOf.get(ring);
  if (shares === undefined) {
    shares = new Float64Array(ring.members.length);
    for (let slot = 0; slot < ring.slots; slot++) {
      const member = ring.memberAt(slot, 0);
      if (member >= 0) shares[member] = (shares[member] ?? 0) + 1 / ring.slots;
    }
    sharesOf.set(ring, shares);
  }
  return shares;
}
