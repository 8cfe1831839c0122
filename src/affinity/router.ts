/**
 * CONTRACT ONLY, the implementation follows: one request in, one decision out.
 */
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { MaybePromise } from "./binding-store.ts";
import type { PoolSnapshot } from "./pool-snapshot.ts";

/** The eligible addresses that a gateway names with its subset hint: `ip:port`, or `ip` for every port of that host. */
export type SubsetHint = readonly string[];

export interface RouteRequest {
  readonly pool: PoolSnapshot;
  readonly tenant: string;
  readonly sessionId: string;
  /** undefined: every endpoint of the pool is eligible. Empty: none is. */
  readonly subset: SubsetHint | undefined;
}

export type RefusalReason =
  | "no_endpoints" // the pool is empty
  | "no_ready_endpoint" // the pool has endpoints, none of which can take this session
  | "subset_empty" // the gateway's subset hint names nothing
  | "subset_no_match"; // the subset hint names nothing that is ready in this pool

export type Decision =
  | {
      readonly kind: "bound" | "placed" | "moved" | "spilled";
      readonly endpoint: Endpoint;
      /** Ordered, eligible, without `endpoint`: where Envoy may retry. */
      readonly fallbacks: readonly Endpoint[];
      /** Generation of the binding behind this decision; 0 where there is none (ring mode, or a subset detour). */
      readonly generation: number;
    }
  | { readonly kind: "refused"; readonly status: 429 | 503; readonly reason: RefusalReason };

export interface Router {
  /** Decides and binds. Concurrent first requests of one session all get the endpoint of the first. */
  route(request: RouteRequest): MaybePromise<Decision>;
  /**
   * The gateway served the request at `endpoint`, one of `decision.fallbacks`, because the decided endpoint could not be
   * connected to: rebinds by compare-and-set on the generation that the decision carried.
   */
  correct(request: RouteRequest, decision: Decision, served: Endpoint): MaybePromise<void>;
}
