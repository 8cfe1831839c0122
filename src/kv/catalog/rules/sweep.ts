/**
 * What time alone brings about. Each index holds exactly what is due, soonest first, so a pass looks at no more than it acts on,
 * and the next one goes on where this one stopped.
 */
import type { SweepReport, SweepRequest } from "../../catalog.ts";
import { type FileRef, prefixHolder, sessionHolder } from "../../records.ts";
import { ENDED, scan, scanDue, WITHDRAWN } from "../keys.ts";
import { ended, files, isIdle, prefixes, sessions, turns, withdrawn } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { endPrefix } from "./prefixes.ts";
import { dropReferences, dropWithdrawn } from "./references.ts";
import { dropEnded, endSession, isExpired, unpinned } from "./sessions.ts";
import { abortTurn } from "./turn-end.ts";

/** One in so many of a pass are files to be unlinked, where there are as many. */
const FILES_SHARE = 4;

export function sweep(tx: CatalogTransaction, request: SweepRequest): SweepReport {
  const { nowMs, limit, quarantineMs } = request;
  const idleSinceMs = nowMs - quarantineMs;
  // However much else is due, room is made all the while.
  const kept = listUnlinkable(tx, idleSinceMs, Math.floor(limit / FILES_SHARE)).length;
  let left = limit - kept;
  const abortedTurns = sweepTurns(tx, nowMs, left);
  left -= abortedTurns;
  const { seen, ...ended } = sweepHolders(tx, nowMs, left);
  left -= seen;
  const unlinkable = listUnlinkable(tx, idleSinceMs, left + kept);
  const isFull = left + kept === unlinkable.length;
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

/**
 * Ends what has expired, and lifts pins that lapsed. What lists more than the limit allows for loses its last segments first, and
 * the others in the next pass: nobody can use it meanwhile.
 */
export function sweepHolders(tx: CatalogTransaction, nowMs: number, limit: number) {
  const withdrawn = sweepWithdrawn(tx, limit);
  const left = withdrawn + sweepEnded(tx, limit - withdrawn);
  const { seen, ...counts } = sweepSessions(tx, nowMs, limit - left);
  const prefixes = sweepPrefixes(tx, nowMs, limit - left - seen);
  return { ...counts, expiredPrefixes: prefixes.expired, seen: left + seen + prefixes.seen };
}

/** References to what nobody lists any more. */
function sweepWithdrawn(tx: CatalogTransaction, limit: number): number {
  let seen = 0;
  for (const { key } of scan(tx, WITHDRAWN, limit)) {
    const segment = withdrawn.at(tx, key);
    if (seen >= limit || segment === undefined) break;
    seen += dropWithdrawn(tx, segment.id, limit - seen);
  }
  return seen;
}

/** What sessions that have ended still list. */
function sweepEnded(tx: CatalogTransaction, limit: number): number {
  let seen = 0;
  for (const { key } of scan(tx, ENDED, limit)) {
    const session = ended.at(tx, key);
    if (seen >= limit || session === undefined) break;
    seen += dropEnded(tx, sessionHolder(session), limit - seen);
  }
  return seen;
}

function sweepSessions(tx: CatalogTransaction, nowMs: number, limit: number) {
  let [seen, expiredSessions, lapsedPins] = [0, 0, 0];
  for (const key of scanDue(tx, "e", { nowMs, limit })) {
    const session = sessions.at(tx, key);
    if (seen >= limit || session === undefined) break;
    seen++;
    if (!isExpired(session, nowMs)) {
      sessions.save(tx, unpinned(tx, session));
      lapsedPins++;
      continue;
    }
    seen += dropEnded(tx, endSession(tx, session, nowMs), limit - seen);
    expiredSessions++;
  }
  return { seen, expiredSessions, lapsedPins };
}

function sweepPrefixes(tx: CatalogTransaction, nowMs: number, limit: number) {
  let [seen, expired] = [0, 0];
  for (const key of scanDue(tx, "x", { nowMs, limit })) {
    const prefix = prefixes.at(tx, key);
    if (seen >= limit || prefix === undefined) break;
    seen++;
    const room = limit - seen;
    const dropped = dropReferences(tx, prefixHolder(prefix), room);
    seen += dropped;
    if (dropped === room && dropped < prefix.segments) break;
    endPrefix(tx, prefixes.must(tx, prefix));
    expired++;
  }
  return { seen, expired };
}

function listUnlinkable(tx: CatalogTransaction, idleSinceMs: number, limit: number): FileRef[] {
  if (idleSinceMs < 0) return [];
  const due = scanDue(tx, "q", { nowMs: idleSinceMs, limit });
  const idle = due.map((key) => files.at(tx, key)).filter((file) => file !== undefined);
  return idle.map(({ location, name }) => ({ location, name }));
}
