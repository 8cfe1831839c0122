import type {
  AmendRequest,
  CreateOutcome,
  CreateRequest,
  PinOutcome,
  PinRequest,
} from "../../holders.ts";
import { type Holder, type Session, sessionHolder, type SessionKey } from "../../records.ts";
import { endedPrefix, scan, UNLIMITED } from "../keys.ts";
import { tenantUsage } from "../sums.ts";
import { ended, sessions, turns } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";
import { lower } from "./lowering.ts";
import { DROPPED_AT_ONCE, dropReferences } from "./references.ts";
import { abortTurn, sealFile } from "./turn-end.ts";

/** References whose files are told by the rule that lowers a session: some milliseconds' worth. */
const LOWERED_AT_ONCE = 128;

/** What has expired is ended by the first rule that meets it, so that swept or not makes no difference to a caller. */
export function liveSession(
  tx: CatalogTransaction,
  key: SessionKey,
  nowMs: number,
): Session | undefined {
  const session = sessions.get(tx, key);
  if (session === undefined || !isExpired(session, nowMs)) return session;
  dropEnded(tx, endSession(tx, session, nowMs), DROPPED_AT_ONCE);
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
  const session = newSession(tx, key, { model, retention, parent: undefined, nowMs });
  sessions.save(tx, session);
  return { kind: "created", session };
}

export function amend(tx: CatalogTransaction, request: AmendRequest): Session | undefined {
  const { session: key, nowMs, ttlMs } = request;
  const session = liveSession(tx, key, nowMs);
  if (session === undefined) return undefined;
  const known = request.retention ?? session.retention;
  const retention = { ...known, ttlMs: ttlMs ?? known.ttlMs };
  const amended = slide({ ...session, retention, expiresAtMs: 0 }, nowMs);
  if (retention.priority < session.retention.priority) lower(tx, session, LOWERED_AT_ONCE);
  sessions.save(tx, amended);
  return amended;
}

export function pin(tx: CatalogTransaction, request: PinRequest): PinOutcome {
  const { session: key, nowMs, untilMs, quota } = request;
  const session = liveSession(tx, key, nowMs);
  if (session === undefined) return "no_session";
  if (untilMs <= nowMs) {
    unpin(tx, session, LOWERED_AT_ONCE);
    return "unpinned";
  }
  if (untilMs - nowMs > session.retention.pinLimitMs) return "pin_limit";
  const isCounted = session.pinnedUntilMs > 0;
  if (!isCounted && tenantUsage(tx, key.tenant).pins >= quota.pins) return "quota_pins";
  sessions.save(tx, { ...session, pinnedUntilMs: untilMs });
  return "pinned";
}

/** What it lists may be evicted again. Returns how many references were met, at most `limit`. */
export function unpin(tx: CatalogTransaction, session: Session, limit: number): number {
  sessions.save(tx, { ...session, pinnedUntilMs: 0 });
  return lower(tx, session, limit);
}

export function end(tx: CatalogTransaction, key: SessionKey, nowMs: number): boolean {
  const session = liveSession(tx, key, nowMs);
  if (session !== undefined) dropEnded(tx, endSession(tx, session, nowMs), DROPPED_AT_ONCE);
  return session !== undefined;
}

/**
 * From here on there is no such session, for any rule or view; what it listed is to be dropped by `dropEnded`. Its turns are aborted,
 * since what they write can no longer be listed by anybody.
 */
export function endSession(tx: CatalogTransaction, session: Session, nowMs: number): Holder {
  for (const id of session.turns) abortTurn(tx, turns.must(tx, { id }), nowMs);
  const { file } = sessions.must(tx, session);
  if (file !== undefined) sealFile(tx, file);
  const last = sessions.must(tx, session);
  sessions.delete(tx, last);
  ended.save(tx, last);
  return sessionHolder(last);
}

/** The last ones by token start. Returns how many there were; with the last one it is forgotten that there was a session. */
export function dropEnded(tx: CatalogTransaction, holder: Holder, limit: number): number {
  const dropped = dropReferences(tx, holder, limit);
  if (ended.must(tx, holder).segments === 0) ended.delete(tx, holder);
  return dropped;
}

/** After all that have ended under this id and still list something. */
function nextLife(view: CatalogView, key: SessionKey): number {
  const before = scan(view, endedPrefix(key), UNLIMITED);
  return 1 + Math.max(-1, ...before.map(({ key: at }) => ended.at(view, at)?.life ?? 0));
}

export function newSession(
  view: CatalogView,
  key: SessionKey,
  from: Pick<Session, "model" | "retention" | "parent"> & { readonly nowMs: number },
): Session {
  const { model, retention, parent, nowMs } = from;
  const session: Session = {
    tenant: key.tenant,
    id: key.id,
    life: nextLife(view, key),
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
