import type {
  DropReason,
  Dropped,
  ReportedSegment,
  ReportOutcome,
  ReportRequest,
} from "../../catalog.ts";
import type { Segment, Turn } from "../../records.ts";
import { files, segments, sessions, turnAt, turns } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { liveSession, slide } from "./sessions.ts";
import { abortTurn, dropPart, sealFile } from "./turn-end.ts";

/** What an engine that keeps to its reservation gives as reasons. After the others it may have written anywhere. */
const HARMLESS: ReadonlySet<DropReason> = new Set(["omitted", "after_short_part"]);

export function report(tx: CatalogTransaction, request: ReportRequest): ReportOutcome {
  const { nowMs } = request;
  const turn = liveTurn(tx, request.turn, nowMs);
  if (turn === undefined) return { kind: "conflict", reason: "unknown_turn" };
  if (turn.state === "reported") return { kind: "conflict", reason: "already_reported" };

  const { pending, dropped, unusedBytes } = judgeParts(tx, turn, request.segments);
  const reservedBytes = turn.reservedBytes - unusedBytes;
  const { settleByMs: deadlineMs } = request;
  turns.save(tx, { ...turn, state: "reported", deadlineMs, reservedBytes });
  files.update(tx, turn.file, (file) => ({
    ...file,
    unusedBytes: file.unusedBytes + unusedBytes,
  }));
  sessions.update(tx, turn.session, (session) => ({
    ...slide(session, nowMs),
    leasedBy: session.leasedBy === turn.id ? undefined : session.leasedBy,
  }));
  for (const segment of pending) segments.save(tx, segment);
  if (!isHarmless(dropped)) sealFile(tx, turn.file);
  for (const { segment } of dropped) dropPart(tx, segment, nowMs);
  return { kind: "accepted", pending, dropped };
}

/** One that is past its deadline, or whose session has expired, is aborted by the look at it. */
export function liveTurn(tx: CatalogTransaction, id: Turn["id"], nowMs: number): Turn | undefined {
  const turn = turnAt(tx, id);
  if (turn === undefined || liveSession(tx, turn.session, nowMs) === undefined) return undefined;
  if (nowMs < turn.deadlineMs) return turn;
  abortTurn(tx, turn, nowMs);
  return undefined;
}

interface Judgement {
  readonly pending: readonly Segment[];
  readonly dropped: readonly Dropped[];
  /** Of parts that were left out or reported shorter. 0 where the engine did not keep to its reservation. */
  readonly unusedBytes: number;
}

/**
 * Parts are contiguous, so once one was not taken whole, those after it join nothing. One that is reported all the same was written
 * and stays booked.
 */
function judgeParts(
  tx: CatalogTransaction,
  turn: Turn,
  reported: readonly ReportedSegment[],
): Judgement {
  const pending: Segment[] = [];
  const dropped: Dropped[] = [];
  let isWhole = true;
  let [unusedBytes, answered] = [0, 0];
  for (const id of turn.pending) {
    const part = segments.must(tx, { id });
    const answer = reported.find(({ tokenStart }) => tokenStart === part.tokenStart);
    if (answer === undefined) unusedBytes += part.bytes;
    else answered++;
    const reason = isWhole ? whyDropped(turn, part, answer) : "after_short_part";
    isWhole &&= answer?.tokenLength === part.tokenLength;
    if (reason !== undefined || answer === undefined) {
      dropped.push({ segment: id, reason: reason ?? "omitted" });
      isWhole = false;
      continue;
    }
    const { tokenLength, chain, place } = answer;
    const bytes = tokenLength * turn.tokenBytes;
    unusedBytes += part.bytes - bytes;
    pending.push({ ...part, state: "reported", tokenLength, bytes, chain, place });
  }
  const isKept = isHarmless(dropped) && answered === reported.length;
  return { pending, dropped, unusedBytes: isKept ? unusedBytes : 0 };
}

function isHarmless(dropped: readonly Dropped[]): boolean {
  return dropped.every(({ reason }) => HARMLESS.has(reason));
}

function whyDropped(
  turn: Turn,
  part: Segment,
  answer: ReportedSegment | undefined,
): DropReason | undefined {
  if (answer === undefined) return "omitted";
  const { file, kvStart, tokenLength, kvLength } = answer;
  const { location, name } = part.file;
  if (file.location !== location || file.name !== name || kvStart !== part.kvStart) {
    return "wrong_place";
  }
  if (!Number.isSafeInteger(tokenLength) || tokenLength < 1) return "wrong_length";
  if (tokenLength > part.tokenLength) return "longer_than_reserved";
  const lengths = [turn.tokenBytes, turn.rankTokenBytes].map((each) => each * tokenLength);
  return kvLength === undefined || lengths.includes(kvLength) ? undefined : "wrong_length";
}
