/**
 * The decision on the request of a turn, one for routing and KV: a session that has no endpoint yet, or has lost it, goes where its turn
 * costs least, within what bounded load allows.
 */
import type { RouteRequest } from "../affinity/router.ts";
import type { ReadBody } from "../kv/dialects/dialect.ts";
import type { KvPool } from "../kv/path/turn-path.ts";
import type { ExchangePorts } from "./exchange-ports.ts";
import type { Refusal } from "./refusal.ts";
import type { RequestFacts } from "./request-reader.ts";
import { decideRequest, type Routed, routeRequest } from "./route.ts";

export interface TurnToRoute {
  readonly facts: RequestFacts;
  readonly startedAtMs: number;
  /** Of the pool that the facts lead to; undefined: the body goes there unread. */
  readonly kv: KvPool | undefined;
  readonly body: ReadBody | undefined;
}

export async function decideTurn(
  ports: ExchangePorts,
  turn: TurnToRoute,
): Promise<Routed | Refusal> {
  const request = routeRequest(ports, turn.facts);
  if ("code" in request) return request;
  return decideRequest(ports, await withCosts(ports, request, turn), turn);
}

/** Nothing is weighed for a session that stays where it is. */
async function withCosts(
  ports: ExchangePorts,
  request: RouteRequest,
  { kv, body }: TurnToRoute,
): Promise<RouteRequest> {
  if (kv === undefined || body === undefined) return request;
  const { tenant, sessionId: id, pool } = request;
  const weigh = kv.weigh({ session: { tenant, id }, body, endpoints: pool.endpoints });
  if (weigh === undefined || !(await ports.router.isChoosing(request))) return request;
  return { ...request, costMs: await weigh() };
}
