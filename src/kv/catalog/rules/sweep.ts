/**
 * What time alone brings about. Each index holds exactly what is due, soonest first, so a pass looks at no more than it acts on,
 * and the next one goes on where this one stopped.
 */
import type { SweepReport, SweepRequest } from "../../catalog.ts";
import type { FileRef } from "../../records.ts";
import { scanDue } from "../keys.ts";
import { files, isIdle, prefixes, sessions, turns } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { endPrefix } from "./prefixes.ts";
import { endSession, isExpired, unpinned } from "./sessions.ts";
import { abortTurn } from "./turn-end.ts";

export function sweep(tx: CatalogTransaction, request: SweepRequest): SweepReport {
  const { nowMs, limit, quarantineMs } = request;
  let left = limit;
  const abortedTurns = sweepTurns(tx, nowMs, left);
  left -= abortedTurns;
  const { seen, ...ended } = sweepHolders(tx, nowMs, left);
  left -= seen;
  const unlinkable = listUnlinkable(tx, nowMs - quarantineMs, left);
  const isFull = left === unlinkable.length;
  return { abortedTurns, ...ended, unlinkable, isFull };
}

/** Those that are still idle, so that a name which came too late or twice does no harm. */
export function unlinked(tx: CatalogTransaction, refs: readonly FileRef[]): void {
  for (const ref of refs) {
    const file = files.get(tx, ref);
    if (file !== undefined && isIdle(file)) files.delete(tx, ref);
  }
}

function sweepTurns(tx: CatalogTransaction, nowMs: number, limit: number): number {
  const due = scanDue(tx, "d", { nowMs, limit });
  for (const key of due) {
    const turn = turns.at(tx, key);
    if (turn !== undefined) abortTurn(tx, turn, nowMs);
  }
  return due.length;
}

/** Ends what has expired, and lifts pins that lapsed. */
export function sweepHolders(tx: CatalogTransaction, nowMs: number, limit: number) {
  const { seen, ...ended } = sweepSessions(tx, nowMs, limit);
  const expiredPrefixes = sweepPrefixes(tx, nowMs, limit - seen);
  return { ...ended, expiredPrefixes, seen: seen + expiredPrefixes };
}

function sweepSessions(tx: CatalogTransaction, nowMs: number, limit: number) {
  const due = scanDue(tx, "e", { nowMs, limit });
  const found = due.map((key) => sessions.at(tx, key)).filter((session) => session !== undefined);
  const expired = found.filter((session) => isExpired(session, nowMs));
  const lapsed = found.filter((session) => !isExpired(session, nowMs));
  for (const session of expired) endSession(tx, session, nowMs);
  for (const session of lapsed) sessions.save(tx, unpinned(tx, session));
  return { seen: due.length, expiredSessions: expired.length, lapsedPins: lapsed.length };
}

function sweepPrefixes(tx: CatalogTransaction, nowMs: number, limit: number): number {
  const due = scanDue(tx, "x", { nowMs, limit });
  for (const key of due) {
    const prefix = prefixes.at(tx, key);
    if (prefix !== undefined) endPrefix(tx, prefix);
  }
  return due.length;
}

function listUnlinkable(tx: CatalogTransaction, idleSinceMs: number, limit: number): FileRef[] {
  if (idleSinceMs < 0) return [];
  const due = scanDue(tx, "q", { nowMs: idleSinceMs, limit });
  const idle = due.map((key) => files.at(tx, key)).filter((file) => file !== undefined);
  return idle.map(({ location, name }) => ({ location, name }));
}
