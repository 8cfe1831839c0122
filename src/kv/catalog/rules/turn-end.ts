/** The ways in which a turn, or a part of it, ends without being listed. */
import type { FileRef, SegmentId, Turn } from "../../records.ts";
import { files, segments, sessions, turns } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";

/** Nothing that is pending gets listed, and no byte range follows in this file: the engine may write for a while yet. */
export function abortTurn(tx: CatalogTransaction, turn: Turn, nowMs: number): void {
  sealFile(tx, turn.file);
  for (const id of turn.pending) dropPart(tx, id, nowMs);
}

/** The segment is pending. */
export function dropPart(tx: CatalogTransaction, id: SegmentId, nowMs: number): void {
  const { turn } = segments.must(tx, { id });
  segments.delete(tx, { id });
  settlePart(tx, turns.must(tx, { id: turn }), { id, nowMs });
}

export interface SettledPart {
  readonly id: SegmentId;
  readonly nowMs: number;
}

/** One part is pending no more. With the last one the turn is over. */
export function settlePart(tx: CatalogTransaction, turn: Turn, { id, nowMs }: SettledPart): void {
  const pending = turn.pending.filter((other) => other !== id);
  if (pending.length > 0) return turns.save(tx, { ...turn, pending });
  turns.delete(tx, turn);
  files.update(tx, turn.file, (file) => ({
    ...file,
    lastReservationEndMs: Math.max(file.lastReservationEndMs, nowMs),
  }));
  sessions.update(tx, turn.session, (session) => ({
    ...session,
    leasedBy: session.leasedBy === turn.id ? undefined : session.leasedBy,
    turns: session.turns.filter((other) => other !== turn.id),
  }));
}

/** No more reservations in it; the session's next one opens a new file. */
export function sealFile(tx: CatalogTransaction, ref: FileRef): void {
  const { tenant, creator, isSealed } = files.must(tx, ref);
  if (isSealed) return;
  files.update(tx, ref, (file) => ({ ...file, isSealed: true }));
  sessions.update(tx, { tenant, id: creator }, (session) => ({ ...session, file: undefined }));
}
