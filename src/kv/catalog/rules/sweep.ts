/**
 * What time alone brings about. Each index holds exactly what is due, soonest first, so a pass looks at no more than it acts on,
 * and the next one goes on where this one stopped.
 */
import type { SweepReport, SweepRequest } from "../../catalog.ts";
import { type FileRef, sessionHolder } from "../../records.ts";
import { ENDED, LOWERED, scan, scanDue, WITHDRAWN } from "../keys.ts";
import { isThere } from "../prefix-state.ts";
import { ended, files, isIdle, lowered, prefixes, sessions, turns, withdrawn } from "../tables.ts";
import type { CatalogTransaction, Key } from "../transaction.ts";
import { BROKEN_AT_ONCE, due, forget, meet } from "./due.ts";
import { dropRemoved, endPrefix } from "./prefixes.ts";
import { goOnLowering } from "./lowering.ts";
import { dropWithdrawn } from "./references.ts";
import { dropEnded, endSession, isExpired, unpin } from "./sessions.ts";
import { abortTurn } from "./turn-end.ts";

/** One in so many of a pass are files to be unlinked, where there are as many. */
const FILES_SHARE = 4;

/** `broken`: as of `pastBroken`. */
export function sweep(
  tx: CatalogTransaction,
  request: SweepRequest,
  broken: readonly Key[],
): SweepReport {
  const { nowMs, limit } = request;
  forget(tx, broken);
  const brokenRecords = broken.length;
  if (brokenRecords >= BROKEN_AT_ONCE) return { ...NOTHING_DONE, brokenRecords };
  // However much else is due, room is made all the while.
  const kept = listUnlinkable(tx, request, Math.floor(limit / FILES_SHARE)).length;
  let left = limit - kept;
  const abortedTurns = sweepTurns(tx, nowMs, left);
  left -= abortedTurns;
  const { seen, ...ended } = sweepHolders(tx, nowMs, left);
  left -= seen;
  const unlinkable = listUnlinkable(tx, request, left + kept);
  const isFull = left + kept === unlinkable.length;
  return { abortedTurns, ...ended, brokenRecords, unlinkable, isFull };
}

/** There is more to do, and the next pass does it. */
const NOTHING_DONE: SweepReport = {
  abortedTurns: 0,
  expiredSessions: 0,
  expiredPrefixes: 0,
  lapsedPins: 0,
  brokenRecords: 0,
  unlinkable: [],
  isFull: true,
};

/** Those that are still idle, so that a name which came too late or twice does no harm. */
export function unlinked(tx: CatalogTransaction, refs: readonly FileRef[]): void {
  for (const ref of refs) {
    const file = files.get(tx, ref);
    if (file !== undefined && isIdle(file)) files.delete(tx, ref);
  }
}

function sweepTurns(tx: CatalogTransaction, nowMs: number, limit: number): number {
  const all = scanDue(tx, "d", { nowMs, limit });
  for (const { entry, of } of all) {
    meet(entry, () => abortTurn(tx, due(turns.at(tx, of)), nowMs));
  }
  return all.length;
}

/**
 * Ends what has expired, and lifts pins that lapsed. What lists more than the limit allows for loses its last segments first, and
 * the others in the next pass: nobody can use it meanwhile.
 */
export function sweepHolders(tx: CatalogTransaction, nowMs: number, limit: number) {
  let seen = sweepWithdrawn(tx, limit);
  seen += sweepEnded(tx, limit - seen);
  seen += sweepLowered(tx, limit - seen);
  const ofSessions = sweepSessions(tx, nowMs, limit - seen);
  seen += ofSessions.seen;
  const ofPrefixes = sweepPrefixes(tx, nowMs, limit - seen);
  seen += ofPrefixes.seen;
  return { ...ofSessions, expiredPrefixes: ofPrefixes.expired, seen };
}

/** References to what nobody lists any more. */
function sweepWithdrawn(tx: CatalogTransaction, limit: number): number {
  let seen = 0;
  for (const { key } of scan(tx, WITHDRAWN, limit)) {
    if (seen >= limit) break;
    seen += meet(key, () => dropWithdrawn(tx, due(withdrawn.at(tx, key)).id, limit - seen));
  }
  return seen;
}

/** What sessions that have ended still list. */
function sweepEnded(tx: CatalogTransaction, limit: number): number {
  let seen = 0;
  for (const { key } of scan(tx, ENDED, limit)) {
    if (seen >= limit) break;
    seen += meet(key, () => dropEnded(tx, sessionHolder(due(ended.at(tx, key))), limit - seen));
  }
  return seen;
}

/** What sessions list that are worth less than they were. */
function sweepLowered(tx: CatalogTransaction, limit: number): number {
  let seen = 0;
  for (const { key } of scan(tx, LOWERED, limit)) {
    if (seen >= limit) break;
    seen += Math.max(
      1,
      meet(key, () => goOnLowering(tx, due(lowered.at(tx, key)), limit - seen)),
    );
  }
  return seen;
}

function sweepSessions(tx: CatalogTransaction, nowMs: number, limit: number) {
  let [seen, expiredSessions, lapsedPins] = [0, 0, 0];
  for (const { entry, of } of scanDue(tx, "e", { nowMs, limit })) {
    if (seen >= limit) break;
    seen++;
    meet(entry, () => {
      const session = due(sessions.at(tx, of));
      if (!isExpired(session, nowMs)) {
        seen += unpin(tx, session, limit - seen);
        lapsedPins++;
        return;
      }
      seen += dropEnded(tx, endSession(tx, session, nowMs), limit - seen);
      expiredSessions++;
    });
  }
  return { seen, expiredSessions, lapsedPins };
}

/** With what prefixes that were removed still list. */
function sweepPrefixes(tx: CatalogTransaction, nowMs: number, limit: number) {
  let [seen, expired] = [0, 0];
  for (const { entry, of } of scanDue(tx, "x", { nowMs, limit })) {
    if (seen >= limit) break;
    seen++;
    meet(entry, () => {
      const prefix = due(prefixes.at(tx, of));
      if (isThere(prefix)) expired++;
      seen += dropRemoved(tx, endPrefix(tx, prefix), limit - seen);
    });
  }
  return { seen, expired };
}

/** First those that need no quarantine. */
function listUnlinkable(
  tx: CatalogTransaction,
  { nowMs, quarantineMs }: SweepRequest,
  limit: number,
): FileRef[] {
  const sinceMs = nowMs - quarantineMs;
  const soon = scanDue(tx, "a", { nowMs, limit });
  const late = sinceMs < 0 ? [] : scanDue(tx, "q", { nowMs: sinceMs, limit: limit - soon.length });
  return [...soon, ...late].map(({ entry, of }) => {
    const { location, name } = meet(entry, () => due(files.at(tx, of)));
    return { location, name };
  });
}
