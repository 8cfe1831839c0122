/**
 * A new session that lists what another does. The list is copied in steps, each a rule of its own: thousands of references in one
 * would hold the event loop for a third of a second, and a limit would refuse the sessions that gain most. Between two steps the
 * fork is a session like any other, with less to reuse.
 */
import type { ForkOutcome, ForkPosition, ForkRequest, ForkStepRequest } from "../../holders.ts";
import { type SegmentId, type Session, sessionHolder } from "../../records.ts";
import { tenantUsage } from "../sums.ts";
import { places, segmentAt, sessions } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { pageOfReferences } from "./reference-pages.ts";
import { addReference } from "./references.ts";
import { liveSession, newSession } from "./sessions.ts";

export function fork(tx: CatalogTransaction, request: ForkRequest): ForkOutcome {
  const { parent: parentKey, child, quota, nowMs, limit } = request;
  const { tenant } = parentKey;
  const from = liveSession(tx, parentKey, nowMs);
  if (from === undefined) return { kind: "refused", reason: "no_session" };
  const key = { tenant, id: child };
  if (liveSession(tx, key, nowMs) !== undefined) return { kind: "refused", reason: "exists" };
  if (tenantUsage(tx, tenant).sessions >= quota.sessions) {
    return { kind: "refused", reason: "quota_sessions" };
  }
  const { model, retention } = from;
  const to = newSession(tx, key, { model, retention, parent: from.id, nowMs });
  sessions.save(tx, to);
  const rest = copyList(tx, { from, to, nowMs, limit, after: undefined });
  return { kind: "created", session: sessions.must(tx, key), rest };
}

export function goOnFork(
  tx: CatalogTransaction,
  request: ForkStepRequest,
): ForkPosition | undefined {
  const { parent, child, nowMs } = request;
  const from = sessions.get(tx, parent);
  const to = sessions.get(tx, { tenant: parent.tenant, id: child });
  if (from === undefined || to?.parent !== from.id || to.createdAtMs !== nowMs) return undefined;
  return copyList(tx, { ...request, from, to });
}

interface Copy {
  readonly from: Session;
  readonly to: Session;
  readonly after: ForkPosition | undefined;
  readonly nowMs: number;
  readonly limit: number;
}

function copyList(
  tx: CatalogTransaction,
  { from, to, after, nowMs, limit }: Copy,
): ForkPosition | undefined {
  const page = pageOfReferences(tx, sessionHolder(from), { after: after ?? "", limit });
  for (const id of page.ids) copyReference(tx, to, { id, nowMs });
  return page.next as ForkPosition | undefined;
}

interface Copied {
  readonly id: SegmentId;
  readonly nowMs: number;
}

/** Of one that is not withdrawn. */
function copyReference(tx: CatalogTransaction, to: Session, { id, nowMs }: Copied): void {
  const segment = segmentAt(tx, id);
  if (segment === undefined) return;
  const at = { segment: id, namespace: { tenant: to.tenant, prefix: undefined } };
  const place = () => places.must(tx, at).place;
  addReference(tx, sessionHolder(to), { segment, nowMs, place });
}
