/**
 * Which endpoint serves a request: the pure half of the router. Everything it looks at is an argument, so the same arguments
 * always give the same decision, and nothing is written.
 *
 * Bounded load holds only where the result is bound. A request that is served without a binding goes to its slot's first
 * eligible rank, because that answer stays the same from request to request while loads change.
 */
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { Binding, LoadView } from "./binding-store.ts";
import type { Decision, RefusalReason, RouteRequest } from "./decision.ts";
import type { PoolSnapshot } from "./pool-snapshot.ts";
import { STORED_RANKS } from "./ring.ts";
import { isInSubset } from "./subset.ts";
import type { Allowed } from "./subset.ts";

export interface PlacementRules {
  /** >= 1. How far above its share of the sessions an endpoint may go before new ones pass it by. */
  readonly loadFactor: number;
  /** How many endpoints follow the chosen one in a decision. */
  readonly fallbacks: number;
}

export interface Situation {
  readonly request: RouteRequest;
  /** The session's live binding. */
  readonly binding: Binding | undefined;
  readonly load: LoadView;
}

/**
 * What to do with one request. The kind says what is to be written: `bound` extends the binding, `moved` moves it from
 * `generation`, `placed`, `spilled` and `weighed` claim one where there is none. `placed` beside a live binding is a detour: the gateway's
 * subset excludes the bound endpoint for this request, so it is served elsewhere and the binding is left alone.
 */
export function decide({ request, binding, load }: Situation, rules: PlacementRules): Decision {
  const walk = openWalk(request);
  if (binding === undefined) return placeNew(walk, load, rules);

  const bound = request.pool.byId.get(binding.endpoint);
  if (bound === undefined || isLost(bound)) {
    const first = pickUnderLimit(walk, load, rules.loadFactor);
    const chosen = pickCheapest(walk, load, rules.loadFactor) ?? first;
    if (chosen === undefined) return refuse(request);
    const fallbacks = pickFallbacks(walk, chosen, rules.fallbacks);
    return { kind: "moved", endpoint: chosen, fallbacks, generation: binding.generation };
  }
  if (!isInSubset(bound, walk.allowed)) return placeFirst(walk, rules.fallbacks);
  const fallbacks = pickFallbacks(walk, bound, rules.fallbacks);
  return { kind: "bound", endpoint: bound, fallbacks, generation: binding.generation };
}

/** Whether `decide` would choose an endpoint to bind the session to, so that it matters what each would cost. */
export function isChoosing(pool: PoolSnapshot, binding: Binding | undefined): boolean {
  const bound = binding === undefined ? undefined : pool.byId.get(binding.endpoint);
  return bound === undefined || isLost(bound);
}

/** Serves without a binding: the first eligible rank, whatever its load. */
export function decideUnbound(request: RouteRequest, fallbacks: number): Decision {
  return placeFirst(openWalk(request), fallbacks);
}

/** The key that picks a session's slot. A session has the same slot in every pool. */
export function slotKey(tenant: string, sessionId: string): string {
  return tenant === "" ? sessionId : `${tenant}\0${sessionId}`;
}

/** The ranks of one slot, as one request may use them. */
interface Walk {
  readonly request: RouteRequest;
  readonly pool: PoolSnapshot;
  readonly slot: number;
  readonly allowed: Allowed;
}

function openWalk(request: RouteRequest): Walk {
  const { pool, subset } = request;
  const slot = pool.ring.slotOf(slotKey(request.tenant, request.sessionId));
  return { request, pool, slot, allowed: subset === undefined ? undefined : new Set(subset) };
}

function placeNew(walk: Walk, load: LoadView, rules: PlacementRules): Decision {
  const first = pickUnderLimit(walk, load, rules.loadFactor);
  if (first === undefined) return refuse(walk.request);
  const chosen = pickCheapest(walk, load, rules.loadFactor) ?? first;
  const ringKind = first === pickFirst(walk) ? "placed" : "spilled";
  const kind = chosen === first ? ringKind : "weighed";
  const fallbacks = pickFallbacks(walk, chosen, rules.fallbacks);
  return { kind, endpoint: chosen, fallbacks, generation: 0 };
}

function placeFirst(walk: Walk, fallbacks: number): Decision {
  const chosen = pickFirst(walk);
  if (chosen === undefined) return refuse(walk.request);
  const others = pickFallbacks(walk, chosen, fallbacks);
  return { kind: "placed", endpoint: chosen, fallbacks: others, generation: 0 };
}

function pickFirst(walk: Walk): Endpoint | undefined {
  for (let rank = 0; rank < ranksOf(walk); rank++) {
    const endpoint = endpointAt(walk, rank);
    if (endpoint !== undefined && takesSessions(walk, endpoint)) return endpoint;
  }
  return undefined;
}

/** Bounded load: the first eligible rank under its limit. The limits add up to more than the sessions, so one is. */
function pickUnderLimit(walk: Walk, load: LoadView, loadFactor: number): Endpoint | undefined {
  const perWeight = limitPerWeight(walk, load, loadFactor);
  for (let rank = 0; rank < ranksOf(walk); rank++) {
    const endpoint = endpointAt(walk, rank);
    if (endpoint === undefined || !takesSessions(walk, endpoint)) continue;
    if (load.on(endpoint.id) < Math.ceil(perWeight * endpoint.weight)) return endpoint;
  }
  // A load view that lags behind (another replica's sessions) may show nobody under its limit.
  return pickFirst(walk);
}

/**
 * Of those under their limits the one with the least cost, of equal ones the first rank. Undefined without costs, or where nobody is.
 * Every member is asked, but not in the order of the slot: all ranks of a large pool take milliseconds to find.
 */
function pickCheapest(walk: Walk, load: LoadView, loadFactor: number): Endpoint | undefined {
  const { pool, request } = walk;
  const { costMs } = request;
  if (costMs === undefined) return undefined;
  const perWeight = limitPerWeight(walk, load, loadFactor);
  let cheapest: Endpoint[] = [];
  let least = Infinity;
  for (let member = 0; member < pool.ring.members.length; member++) {
    const endpoint = pool.endpoints[member];
    if (endpoint === undefined || !takesSessions(walk, endpoint)) continue;
    if (load.on(endpoint.id) >= Math.ceil(perWeight * endpoint.weight)) continue;
    const cost = costMs(endpoint);
    if (cost < least) cheapest = [];
    if (cost <= least) {
      cheapest.push(endpoint);
      least = cost;
    }
  }
  return cheapest.length < 2 ? cheapest[0] : firstOf(walk, new Set(cheapest));
}

function firstOf(walk: Walk, endpoints: ReadonlySet<Endpoint>): Endpoint | undefined {
  for (let rank = 0; rank < ranksOf(walk); rank++) {
    const endpoint = endpointAt(walk, rank);
    if (endpoint !== undefined && endpoints.has(endpoint)) return endpoint;
  }
  return undefined;
}

function limitPerWeight(walk: Walk, load: LoadView, loadFactor: number): number {
  const { sessions, weight } = eligibleShare(walk, load);
  return (loadFactor * (sessions + 1)) / weight;
}

/** What the limits share out: the whole pool's sessions, or, under a subset hint, those on the endpoints it allows. */
function eligibleShare(walk: Walk, load: LoadView): { sessions: number; weight: number } {
  const { pool, allowed } = walk;
  if (allowed === undefined) return { sessions: load.total(), weight: pool.readyWeight };
  let sessions = 0;
  let weight = 0;
  for (let member = 0; member < pool.ring.members.length; member++) {
    const endpoint = pool.endpoints[member];
    if (endpoint === undefined || !takesSessions(walk, endpoint)) continue;
    sessions += load.on(endpoint.id);
    weight += endpoint.weight;
  }
  return { sessions, weight };
}

/** The eligible ranks after the chosen one, going round to those before it. */
function pickFallbacks(walk: Walk, chosen: Endpoint, limit: number): readonly Endpoint[] {
  const ranks = ranksOf(walk);
  const start = rankOf(walk, chosen);
  const picked: Endpoint[] = [];
  for (let step = 1; step <= ranks && picked.length < limit; step++) {
    const endpoint = endpointAt(walk, (start + step) % ranks);
    if (endpoint === undefined || endpoint === chosen) continue;
    if (takesSessions(walk, endpoint)) picked.push(endpoint);
  }
  return picked;
}

/**
 * -1 where the endpoint is not on the ring (weight 0), or deeper in it than what is stored, which only a much changed pool or
 * a great overload brings about and which is costly to find: its fallbacks then start at the slot's best rank.
 */
function rankOf(walk: Walk, endpoint: Endpoint): number {
  const ranks = Math.min(ranksOf(walk), STORED_RANKS);
  for (let rank = 0; rank < ranks; rank++) if (endpointAt(walk, rank) === endpoint) return rank;
  return -1;
}

function ranksOf(walk: Walk): number {
  return walk.pool.ring.members.length;
}

function endpointAt(walk: Walk, rank: number): Endpoint | undefined {
  return walk.pool.endpoints[walk.pool.ring.memberAt(walk.slot, rank)];
}

function isLost({ state }: Endpoint): boolean {
  return state === "down";
}

function takesSessions(walk: Walk, endpoint: Endpoint): boolean {
  return endpoint.state === "ready" && isInSubset(endpoint, walk.allowed);
}

function refuse({ pool, subset }: RouteRequest): Decision {
  return { kind: "refused", reason: whyRefused(pool, subset?.length) };
}

function whyRefused(pool: PoolSnapshot, subsetSize: number | undefined): RefusalReason {
  if (pool.endpoints.length === 0) return "no_endpoints";
  if (subsetSize === undefined) return "no_ready_endpoint";
  return subsetSize === 0 ? "subset_empty" : "subset_no_match";
}
