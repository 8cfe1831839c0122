/**
 * What the router is asked and what it answers.
 */
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { PoolSnapshot } from "./pool-snapshot.ts";
import type { SubsetHint } from "./subset.ts";

export interface RouteRequest {
  readonly pool: PoolSnapshot;
  readonly tenant: string;
  readonly sessionId: string;
  /** undefined: every endpoint of the pool is eligible. Empty: none is. Made by `parseSubsetHint`. */
  readonly subset: SubsetHint | undefined;
  /**
   * What serving it would cost there: where an endpoint is chosen for the session, one with the least is. Absent: everywhere the same.
   * Pure, in any unit, and never asked for a session that is bound.
   */
  readonly costMs?: ((endpoint: Endpoint) => number) | undefined;
}

export type RefusalReason =
  | "no_endpoints" // the pool is empty
  | "no_ready_endpoint" // the pool has endpoints, none of which can take this session
  | "subset_empty" // the gateway's subset hint names nothing
  | "subset_no_match"; // the subset hint names nothing that is ready in this pool

export type ServedKind = "bound" | "placed" | "moved" | "spilled" | "weighed";

export interface ServedDecision {
  readonly kind: ServedKind;
  readonly endpoint: Endpoint;
  /** Ordered, eligible, without `endpoint`: where Envoy may retry. */
  readonly fallbacks: readonly Endpoint[];
  /** Generation of the binding behind this decision; 0 where there is none (ring mode, a subset detour, a failed store). */
  readonly generation: number;
}

export interface Refusal {
  readonly kind: "refused";
  readonly reason: RefusalReason;
}

export type Decision = ServedDecision | Refusal;
