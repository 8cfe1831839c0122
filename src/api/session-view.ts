/** Sessions as the API names and shows them. */
import type { FastifyRequest } from "fastify";

import type { Session, SessionKey } from "../kv/records.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { noSuch } from "./refusals.ts";

export function keyOf(
  request: FastifyRequest & { readonly params: { readonly id: string } },
): SessionKey {
  return { tenant: tenantOf(request), id: request.params.id };
}

/** Throws `not_found`, also for a session that is over and not swept yet. */
export async function sessionAt(key: SessionKey, ports: KvApiPorts): Promise<Session> {
  const session = await ports.catalog.session(key);
  if (session === undefined || !isLive(session, ports.nowMs())) throw noSuch("session");
  return session;
}

export function isLive({ expiresAtMs, pinnedUntilMs }: Session, nowMs: number): boolean {
  return nowMs < Math.max(expiresAtMs, pinnedUntilMs);
}

export function viewSession(session: Session) {
  const { retention, pinnedUntilMs } = session;
  return {
    id: session.id,
    tenant: session.tenant,
    model: session.model,
    retention_class: retention.name,
    ttl_ms: retention.ttlMs,
    max_age_ms: retention.maxAgeMs,
    parent: session.parent ?? null,
    created_at_ms: session.createdAtMs,
    expires_at_ms: session.expiresAtMs,
    pinned_until_ms: pinnedUntilMs === 0 ? null : pinnedUntilMs,
    segments: session.segments,
    open_turns: session.turns.length,
  };
}
