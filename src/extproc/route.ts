/** The decision on one request, and what of it goes into the reply to Envoy. */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { Decision, RouteRequest } from "../affinity/router.ts";
import { SESSION_ID_HEADER } from "../affinity/session-key.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { ExchangePorts } from "./exchange-ports.ts";
import { pathForbidden, type Refusal } from "./refusal.ts";
import type { Changes } from "./replies.ts";
import type { RequestFacts } from "./request-reader.ts";

/** The header that names the pool for Envoy's route, where there are several. */
export const POOL_HEADER = "x-moorline-pool";

export interface Routed {
  readonly request: RouteRequest;
  readonly decision: Exclude<Decision, { kind: "refused" }>;
}

/** `startedAtMs`: when what makes the decision possible was there. */
export function decideRoute(
  ports: ExchangePorts,
  facts: RequestFacts,
  startedAtMs: number,
): MaybePromise<Routed | Refusal> {
  const request = routeRequest(ports, facts);
  if ("code" in request) return request;
  return decideRequest(ports, request, { facts, startedAtMs });
}

/** What the router is asked. Gives a request without a session id one. */
export function routeRequest(ports: ExchangePorts, facts: RequestFacts): RouteRequest | Refusal {
  const sessionId = (facts.sessionId ??= ports.mintId());
  const pool = ports.pools.forModel(facts.model);
  if (pool === undefined) {
    const message = "no pool serves the model that the request names";
    return facts.model === undefined
      ? ports.reader.missingModel(facts)
      : { code: "model_unknown", message };
  }
  if (ports.turns.pool(pool.name)?.forbids(facts.path) === true) return pathForbidden;
  return { pool, tenant: facts.tenant, sessionId, subset: facts.subset };
}

export function decideRequest(
  ports: ExchangePorts,
  request: RouteRequest,
  { facts, startedAtMs }: { readonly facts: RequestFacts; readonly startedAtMs: number },
): MaybePromise<Routed | Refusal> {
  const conclude = (decision: Decision): Routed | Refusal => {
    const elapsedMs = ports.clock.now() - startedAtMs;
    const { source, bodyObstacle } = facts;
    ports.observer.decided({ request, decision, source, bodyObstacle, elapsedMs });
    if (decision.kind !== "refused") return { request, decision };
    const message = `no endpoint of the pool ${request.pool.name} can take this request`;
    return { code: decision.reason, message };
  };
  const decision = ports.router.route(request);
  return decision instanceof Promise ? decision.then(conclude) : conclude(decision);
}

export function routeChanges(ports: ExchangePorts, { request, decision }: Routed): Changes {
  const { destinationHeader: key, sendsFallbacks, pools } = ports;
  let value = decision.endpoint.address;
  if (sendsFallbacks) for (const endpoint of decision.fallbacks) value += `,${endpoint.address}`;
  const set: (readonly [string, string])[] = [
    [key, value],
    [SESSION_ID_HEADER, request.sessionId],
  ];
  if (pools.hasSeveral) set.push([POOL_HEADER, request.pool.name]);
  return { set, remove: [], clearRouteCache: pools.hasSeveral, destination: { key, value } };
}

/** A client's own must not survive, not even until the decision. */
export function routingHeaders(ports: ExchangePorts): readonly string[] {
  return [ports.destinationHeader, POOL_HEADER];
}

/** The same endpoint first, and these after it. */
export function withFallbacks(routed: Routed, fallbacks: readonly Endpoint[]): Routed {
  return { request: routed.request, decision: { ...routed.decision, fallbacks } };
}
