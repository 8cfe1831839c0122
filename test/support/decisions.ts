import type { MaybePromise } from "../../src/affinity/binding-store.ts";
import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import type { Decision, RouteRequest } from "../../src/affinity/router.ts";
import { parseSubsetHint } from "../../src/affinity/subset.ts";

export function requestOf(
  pool: PoolSnapshot,
  sessionId: string,
  subset?: readonly string[],
): RouteRequest {
  const hint = subset === undefined ? undefined : parseSubsetHint(subset);
  return { pool, tenant: "", sessionId, subset: hint };
}

/** A decision as a test reads it: `placed b`, `refused no_endpoints`. */
export function describeDecision(decision: Decision): string {
  return decision.kind === "refused"
    ? `refused ${decision.reason}`
    : `${decision.kind} ${decision.endpoint.id}`;
}

export function fallbackIds(decision: Decision): string {
  return decision.kind === "refused" ? "" : decision.fallbacks.map(({ id }) => id).join();
}

/** What a synchronous store must answer with. */
export function atOnce<T>(value: MaybePromise<T>): T {
  if (value instanceof Promise) throw new Error("expected an answer at once, got a promise");
  return value;
}
