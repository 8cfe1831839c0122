/**
 * One session as `/v1/sessions/{id}?pool=&tenant=` names and shows it.
 */
import type { Binding } from "../affinity/binding-store.ts";
import { slotKey } from "../affinity/placement.ts";
import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import type { Decision } from "../affinity/router.ts";
import { parseField, SESSION_ID_LIMIT_BYTES, TENANT_LIMIT_BYTES } from "../affinity/session-key.ts";
import type { FieldRule } from "../affinity/session-key.ts";
import { Problem } from "../http/problem.ts";
import type { RoutingPorts } from "./ports.ts";

/** Ranks listed: those that a request would look at first. */
const SHOWN_RANKS = 16;

export interface SessionRef {
  readonly pool: PoolSnapshot;
  /** "" for none. */
  readonly tenant: string;
  readonly sessionId: string;
}

/** A query as Node parses it: a key that comes twice is a list. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Throws `request_invalid` or `pool_unknown`. The pool may be left out where there is only one. */
export function parseSessionRef(
  id: string,
  query: Query,
  pools: RoutingPorts["pools"],
): SessionRef {
  for (const key of Object.keys(query)) {
    if (key !== "pool" && key !== "tenant") {
      throw new Problem("request_invalid", "a query parameter must be pool or tenant");
    }
  }
  const sessionId = parseText(id, { field: "session id", limitBytes: SESSION_ID_LIMIT_BYTES });
  if (sessionId === undefined) throw new Problem("request_invalid", "session id is empty");
  const tenant = parseText(query["tenant"], { field: "tenant", limitBytes: TENANT_LIMIT_BYTES });
  return { sessionId, tenant: tenant ?? "", pool: findPool(query["pool"], pools) };
}

export function viewSession(session: SessionRef, inspected: Inspected, ports: RoutingPorts) {
  const { pool, tenant, sessionId } = session;
  const { binding, next } = inspected;
  const slot = pool.ring.slotOf(slotKey(tenant, sessionId));
  return {
    session: sessionId,
    tenant,
    pool: pool.name,
    endpoint: binding.endpoint,
    generation: binding.generation,
    reason: binding.reason,
    expiresInMs: Math.max(0, Math.round(binding.expiresAtMs - ports.clock.now())),
    next:
      next.kind === "refused"
        ? { kind: next.kind, reason: next.reason }
        : { kind: next.kind, endpoint: next.endpoint.id },
    slot,
    ranks: viewRanks(pool, slot),
  };
}

export interface Inspected {
  readonly binding: Binding;
  /** What a request of this session would get now. */
  readonly next: Decision;
}

function viewRanks(pool: PoolSnapshot, slot: number) {
  const shown = Math.min(SHOWN_RANKS, pool.ring.members.length);
  return Array.from({ length: shown }, (_, rank) => pool.endpoints[pool.ring.memberAt(slot, rank)])
    .filter((endpoint) => endpoint !== undefined)
    .map(({ id, address, state }) => ({ id, address, state }));
}

function parseText(value: Query[string], rule: FieldRule): string | undefined {
  if (typeof value === "object") {
    throw new Problem("request_invalid", `${rule.field} must be given once`);
  }
  const parsed = parseField(value, rule);
  if (typeof parsed !== "object") return parsed;
  throw new Problem(
    "request_invalid",
    `${rule.field} of ${parsed.lengthBytes} bytes must be 1 to ${rule.limitBytes} visible ASCII bytes`,
  );
}

function findPool(name: Query[string], pools: RoutingPorts["pools"]): PoolSnapshot {
  const all = pools.all();
  if (typeof name === "string") {
    const pool = pools.get(name);
    if (pool === undefined) throw new Problem("pool_unknown", "no pool has that name");
    return pool;
  }
  const [only] = all;
  if (name === undefined && all.length === 1 && only !== undefined) return only;
  throw new Problem("request_invalid", "pool must be given once, since there are several");
}
