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
  const weigh = weighingOf(request, turn);
  if (weigh === undefined || !(await ports.router.isChoosing(request))) {
    return decideRequest(ports, request, turn);
  }
  const costMs = await weigh();
  // By the pool as it is by now: to an older one, a session that was bound meanwhile may seem to have lost its endpoint.
  const asked = routeRequest(ports, turn.facts);
  return "code" in asked ? asked : decideRequest(ports, { ...asked, costMs }, turn);
}

function weighingOf(
  { tenant, sessionId: id, pool }: RouteRequest,
  { kv, body }: TurnToRoute,
): ReturnType<KvPool["weigh"]> {
  if (kv === undefined || body === undefined) return undefined;
  return kv.weigh({ session: { tenant, id }, body, endpoints: pool.endpoints });
}
