/**
 * What the admin API needs of the program.
 */
import type { LoadView, MaybePromise } from "../affinity/binding-store.ts";
import type { SessionDesk } from "../affinity/router.ts";
import type { Clock } from "../clock.ts";
import type { EndpointId } from "../endpoints/endpoint.ts";
import type { Pools } from "../endpoints/pools.ts";

export interface Readiness {
  readonly isReady: boolean;
  /** Why not, for people: `draining`, `endpoints are not checked yet`. */
  readonly reasons: readonly string[];
}

export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

/** What is shown of the routing half. */
export interface RoutingPorts {
  /** The clock of the bindings' expiry and of the health checks. */
  readonly clock: Clock;
  readonly pools: Pick<Pools, "get" | "all" | "lastCheck">;
  readonly sessions: SessionDesk;
  load(pool: string): LoadView;
  /** Why an endpoint has its state, in a few words; undefined where there is nothing to say. */
  stateCause(pool: string, endpoint: EndpointId): string | undefined;
}

export interface AdminPorts {
  /** Undefined where this process does not route: pools and bindings have no routes then. */
  readonly routing: RoutingPorts | undefined;
  readiness(): Readiness;
  metrics(): MaybePromise<MetricsPage>;
}
