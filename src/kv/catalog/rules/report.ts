import type {
  DropReason,
  Dropped,
  ReportedSegment,
  ReportOutcome,
  ReportRequest,
} from "../../catalog.ts";
import type { Segment, Turn } from "../../records.ts";
import { segments, sessions, turnAt, turns } from "../tables.ts";
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

  turns.save(tx, { ...turn, state: "reported", deadlineMs: request.settleByMs });
  sessions.update(tx, turn.session, (session) => ({
    ...slide(session, nowMs),
    leasedBy: session.leasedBy === turn.id ? undefined : session.leasedBy,
  }));
  const { pending, dropped } = judgeParts(tx, turn, request.segments);
  for (const segment of pending) segments.save(tx, segment);
  if (dropped.some(({ reason }) => !HARMLESS.has(reason))) sealFile(tx, turn.file);
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

/** Parts are contiguous, so once one was not taken whole, those after it join nothing. */
function judgeParts(
  tx: CatalogTransaction,
  turn: Turn,
  reported: readonly ReportedSegment[],
): { pending: Segment[]; dropped: Dropped[] } {
  const pending: Segment[] = [];
  const dropped: Dropped[] = [];
  let isWhole = true;
  for (const id of turn.pending) {
    const part = segments.must(tx, { id });
    const answer = reported.find(({ tokenStart }) => tokenStart === part.tokenStart);
    const reason = isWhole ? whyDropped(turn, part, answer) : "after_short_part";
    isWhole &&= answer?.tokenLength === part.tokenLength;
    if (reason !== undefined || answer === undefined) {
      dropped.push({ segment: id, reason: reason ?? "omitted" });
      isWhole = false;
      continue;
    }
    const { tokenLength, chain, place } = answer;
    const bytes = tokenLength * turn.tokenBytes;
    pending.push({ ...part, state: "reported", tokenLength, bytes, chain, place });
  }
  return { pending, dropped };
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
