import type {
  AmendRequest,
  CreateOutcome,
  CreateRequest,
  ForkOutcome,
  ForkRequest,
  PinOutcome,
  PinRequest,
} from "../../holders.ts";
import { type Session, sessionHolder, type SessionKey } from "../../records.ts";
import { places, segments, sessions, tenantUsage, turns } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { forgetPriority } from "./file-priority.ts";
import { addReference, listReferences, removeReference } from "./references.ts";
import { abortTurn, sealFile } from "./turn-end.ts";

/** What has expired is ended by the first rule that meets it, so that swept or not makes no difference to a caller. */
export function liveSession(
  tx: CatalogTransaction,
  key: SessionKey,
  nowMs: number,
): Session | undefined {
  const session = sessions.get(tx, key);
  if (session === undefined || !isExpired(session, nowMs)) return session;
  endSession(tx, session, nowMs);
  return undefined;
}

export function isExpired({ expiresAtMs, pinnedUntilMs }: Session, nowMs: number): boolean {
  return nowMs >= Math.max(expiresAtMs, pinnedUntilMs);
}

/** After a use. A clock that went back shortens nothing. */
export function slide(session: Session, nowMs: number): Session {
  const { retention, createdAtMs, expiresAtMs } = session;
  const until = Math.min(nowMs + retention.ttlMs, createdAtMs + retention.maxAgeMs);
  return { ...session, expiresAtMs: Math.max(expiresAtMs, until) };
}

export function create(tx: CatalogTransaction, request: CreateRequest): CreateOutcome {
  const { session: key, model, retention, quota, nowMs } = request;
  const known = liveSession(tx, key, nowMs);
  if (known !== undefined) return { kind: "exists", session: known };
  if (tenantUsage(tx, key.tenant).sessions >= quota.sessions) {
    return { kind: "refused", reason: "quota_sessions" };
  }
  const session = newSession(key, { model, retention, parent: undefined, nowMs });
  sessions.save(tx, session);
  return { kind: "created", session };
}

export function fork(tx: CatalogTransaction, request: ForkRequest): ForkOutcome {
  const { parent: parentKey, child, quota, nowMs } = request;
  const { tenant } = parentKey;
  const parent = liveSession(tx, parentKey, nowMs);
  if (parent === undefined) return { kind: "refused", reason: "no_session" };
  const key = { tenant, id: child };
  if (liveSession(tx, key, nowMs) !== undefined) return { kind: "refused", reason: "exists" };
  if (tenantUsage(tx, tenant).sessions >= quota.sessions) {
    return { kind: "refused", reason: "quota_sessions" };
  }
  const { model, retention } = parent;
  sessions.save(tx, newSession(key, { model, retention, parent: parent.id, nowMs }));
  for (const id of listReferences(tx, sessionHolder(parent))) {
    const segment = segments.must(tx, { id });
    const namespace = { tenant, prefix: undefined };
    const place = () => places.must(tx, { segment: id, namespace }).place;
    addReference(tx, sessionHolder(key), { segment, nowMs, place });
  }
  return { kind: "created", session: sessions.must(tx, key) };
}

export function amend(tx: CatalogTransaction, request: AmendRequest): Session | undefined {
  const { session: key, nowMs, ttlMs } = request;
  const session = liveSession(tx, key, nowMs);
  if (session === undefined) return undefined;
  const known = request.retention ?? session.retention;
  const retention = { ...known, ttlMs: ttlMs ?? known.ttlMs };
  const amended = slide({ ...session, retention, expiresAtMs: 0 }, nowMs);
  if (retention.priority < session.retention.priority) forgetPriorities(tx, session);
  sessions.save(tx, amended);
  return amended;
}

export function touch(tx: CatalogTransaction, key: SessionKey, nowMs: number): boolean {
  const session = liveSession(tx, key, nowMs);
  if (session !== undefined) sessions.save(tx, slide(session, nowMs));
  return session !== undefined;
}

export function pin(tx: CatalogTransaction, request: PinRequest): PinOutcome {
  const { session: key, nowMs, untilMs, quota } = request;
  const session = liveSession(tx, key, nowMs);
  if (session === undefined) return "no_session";
  if (untilMs <= nowMs) {
    sessions.save(tx, unpinned(tx, session));
    return "unpinned";
  }
  if (untilMs - nowMs > session.retention.pinLimitMs) return "pin_limit";
  const isCounted = session.pinnedUntilMs > 0;
  if (!isCounted && tenantUsage(tx, key.tenant).pins >= quota.pins) return "quota_pins";
  sessions.save(tx, { ...session, pinnedUntilMs: untilMs });
  return "pinned";
}

/** What it listed may be evicted again. */
export function unpinned(tx: CatalogTransaction, session: Session): Session {
  forgetPriorities(tx, session);
  return { ...session, pinnedUntilMs: 0 };
}

function forgetPriorities(tx: CatalogTransaction, session: Session): void {
  for (const id of listReferences(tx, sessionHolder(session))) {
    forgetPriority(tx, segments.must(tx, { id }).file);
  }
}

export function end(tx: CatalogTransaction, key: SessionKey, nowMs: number): boolean {
  const session = liveSession(tx, key, nowMs);
  if (session !== undefined) endSession(tx, session, nowMs);
  return session !== undefined;
}

/** Its turns are aborted, since what they write can no longer be listed by anybody. */
export function endSession(tx: CatalogTransaction, session: Session, nowMs: number): void {
  for (const id of session.turns) abortTurn(tx, turns.must(tx, { id }), nowMs);
  const { file } = sessions.must(tx, session);
  if (file !== undefined) sealFile(tx, file);
  const holder = sessionHolder(session);
  for (const id of listReferences(tx, holder)) removeReference(tx, holder, id);
  sessions.delete(tx, session);
}

function newSession(
  key: SessionKey,
  from: Pick<Session, "model" | "retention" | "parent"> & { readonly nowMs: number },
): Session {
  const { model, retention, parent, nowMs } = from;
  const session: Session = {
    tenant: key.tenant,
    id: key.id,
    model,
    retention,
    parent,
    createdAtMs: nowMs,
    expiresAtMs: nowMs,
    pinnedUntilMs: 0,
    file: undefined,
    leasedBy: undefined,
    turns: [],
    segments: 0,
  };
  return slide(session, nowMs);
}
