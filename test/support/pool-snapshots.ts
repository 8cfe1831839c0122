import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import type { Ring, RingMember } from "../../src/affinity/ring.ts";
import type { Endpoint, EndpointId, EndpointState } from "../../src/endpoints/endpoint.ts";
import { formatAddress } from "../../src/endpoints/endpoint.ts";
import { plainRing } from "./plain-ring.ts";

export interface EndpointSketch {
  readonly state?: EndpointState;
  readonly weight?: number;
  readonly host?: string;
  readonly port?: number;
}

export interface PoolOptions {
  readonly name?: string;
  readonly ringOf?: (members: readonly RingMember[]) => Ring;
}

/** A snapshot of the endpoints by id. Endpoint n has the address 10.0.0.n:8000 (n from 1) and weight 1. */
export function poolOf(
  sketches: Readonly<Record<string, EndpointSketch>>,
  { name = "default", ringOf = plainRing }: PoolOptions = {},
): PoolSnapshot {
  const all = Object.entries(sketches).map(([id, sketch], at) => endpointOf(id, at + 1, sketch));
  const byId = new Map(all.map((endpoint) => [endpoint.id, endpoint]));
  const ring = ringOf(
    all.filter(({ weight }) => weight > 0).map(({ id, weight }) => ({ id, weight })),
  );
  const onRing = ring.members.flatMap(({ id }) => byId.get(id) ?? []);
  return {
    name,
    generation: 1,
    endpoints: [...onRing, ...all.filter(({ weight }) => weight <= 0)],
    byId,
    ring,
    readyWeight: onRing
      .filter(({ state }) => state === "ready")
      .reduce((sum, { weight }) => sum + weight, 0),
  };
}

function endpointOf(id: string, number: number, sketch: EndpointSketch): Endpoint {
  const { state = "ready", weight = 1, host = `10.0.0.${number}`, port = 8000 } = sketch;
  return {
    id: id as EndpointId,
    host,
    port,
    weight,
    labels: {},
    isDraining: state === "draining",
    address: formatAddress(host, port),
    state,
  };
}
