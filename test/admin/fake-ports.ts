import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import type { Inspection } from "../../src/affinity/router.ts";
import type { AdminPorts, RoutingPorts } from "../../src/admin/ports.ts";
import { formatAddress } from "../../src/endpoints/endpoint.ts";
import type { Endpoint, EndpointId, EndpointState } from "../../src/endpoints/endpoint.ts";
import { FakeClock } from "../support/fake-clock.ts";

function endpoint(id: string, host: string, state: EndpointState): Endpoint {
  return {
    id: id as EndpointId,
    host,
    port: 8000,
    address: formatAddress(host, 8000),
    weight: 1,
    labels: { zone: "z" },
    isDraining: state === "draining",
    state,
  };
}

/** A ring of 4 slots: `a` leads 0, 1 and 2, `b` leads 3. Every key is on the slot of its length. */
export function fakePool(name: string): PoolSnapshot {
  const endpoints = [endpoint("a", "10.0.0.1", "ready"), endpoint("b", "fd00::2", "down")];
  const ranks = [
    [0, 1],
    [0, 1],
    [0, 1],
    [1, 0],
  ];
  return {
    name,
    generation: 7,
    endpoints,
    byId: new Map(endpoints.map((each) => [each.id, each])),
    ring: {
      slots: 4,
      members: endpoints.map(({ id, weight }) => ({ id, weight })),
      slotOf: (key) => key.length % 4,
      memberAt: (slot, rank) => ranks[slot]?.[rank] ?? -1,
    },
    readyWeight: 1,
  };
}

/** Knows one session: `abc` (tenant ""), bound to `b` in every pool. Notes what it was asked to release. */
export class FakePorts implements AdminPorts, RoutingPorts {
  readonly clock = new FakeClock();
  readonly routing = this;
  readonly released: string[] = [];
  reasons: string[] = [];
  /** Thrown by every session call while set. */
  failure: Error | undefined;
  #pools: readonly PoolSnapshot[];

  constructor(...poolNames: readonly string[]) {
    this.#pools = poolNames.map(fakePool);
  }

  readonly pools: RoutingPorts["pools"] = {
    all: () => this.#pools,
    get: (name) => this.#pools.find((pool) => pool.name === name),
    lastCheck: (_pool, id) =>
      id === "b"
        ? { failure: "404 from GET /healthz", atMs: this.clock.now() - 250.4, failures: 3 }
        : undefined,
  };

  readonly sessions: RoutingPorts["sessions"] = {
    inspect: async (pool, tenant, sessionId): Promise<Inspection> => {
      if (this.failure !== undefined) throw this.failure;
      const next = { kind: "refused", reason: "no_ready_endpoint" } as const;
      const isKnown = tenant === "" && sessionId === "abc";
      return {
        next,
        binding: isKnown
          ? {
              pool: pool.name,
              endpoint: "b" as EndpointId,
              generation: 3,
              reason: "spilled",
              expiresAtMs: this.clock.now() + 1500,
            }
          : undefined,
      };
    },
    release: (pool, tenant, sessionId) => {
      this.released.push(`${pool.name}/${tenant}/${sessionId}`);
      return tenant === "" && sessionId === "abc";
    },
  };

  readiness() {
    return { isReady: this.reasons.length === 0, reasons: this.reasons };
  }

  load() {
    return { total: () => 5, on: (id: EndpointId) => (id === "a" ? 4 : 1) };
  }

  stateCause(_pool: string, id: EndpointId): string | undefined {
    return id === "b" ? "check" : undefined;
  }

  metrics() {
    return { contentType: "text/plain; version=0.0.4; charset=utf-8", text: "up 1\n" };
  }
}
