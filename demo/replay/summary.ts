/** What the table shows of one replay. */
import type { ChatAnswer } from "./chat.ts";
import type { Outcome } from "./replay.ts";

/** An engine that was killed in the replay, and until when Moorline took it for down. */
export interface Outage {
  readonly engine: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Summary {
  readonly requests: number;
  readonly failures: number;
  /** Failures of requests that were open when the engine died: their engine died with them. */
  readonly failuresOpenAtKill: number;
  /** Of the turns with a turn before them, how many went where that one went; 0..1. */
  readonly stickiness: number;
  /** Of all prompt tokens, how many the engine still had; 0..1. */
  readonly tokensFound: number;
  readonly firstTokenP50Ms: number;
  readonly firstTokenP99Ms: number;
  /** Sessions that went to another engine at least once. */
  readonly sessionsMoved: number;
  /** Sessions that were at the killed engine and asked again while it was down. */
  readonly sessionsThatHadToMove: number;
  /** Sessions of the first number that are not of the second. */
  readonly sessionsMovedNeedlessly: number;
}

export function summarize(outcomes: readonly Outcome[], outage?: Outage): Summary {
  const answers = outcomes.flatMap(({ result }) => (result.failure === undefined ? [result] : []));
  const failed = outcomes.filter(({ result }) => result.failure !== undefined);
  const firstTokens = answers.map(({ firstTokenMs }) => firstTokenMs).toSorted((a, b) => a - b);
  const moves = countMoves(outcomes, outage);
  return {
    requests: outcomes.length,
    failures: failed.length,
    failuresOpenAtKill: failed.filter((outcome) => wasOpenAtKill(outcome, outage)).length,
    stickiness: ratio(moves.stayed, moves.followUps),
    tokensFound: ratio(
      sum(answers, ({ cachedTokens }) => cachedTokens),
      sum(answers, ({ promptTokens }) => promptTokens),
    ),
    firstTokenP50Ms: percentile(firstTokens, 0.5),
    firstTokenP99Ms: percentile(firstTokens, 0.99),
    sessionsMoved: moves.moved.size,
    sessionsThatHadToMove: moves.hadToMove.size,
    sessionsMovedNeedlessly: [...moves.moved].filter((session) => !moves.hadToMove.has(session))
      .length,
  };
}

function countMoves(outcomes: readonly Outcome[], outage: Outage | undefined) {
  const moved = new Set<number>();
  const hadToMove = new Set<number>();
  const lastEngine = new Map<number, string>();
  let followUps = 0;
  let stayed = 0;
  // The turns of one session never overlap, so the order of their ends is their order.
  for (const { session, sentMs, result } of outcomes) {
    const before = lastEngine.get(session);
    if (outage !== undefined && before === outage.engine && isDuring(sentMs, outage)) {
      hadToMove.add(session);
    }
    if (result.failure !== undefined) continue;
    lastEngine.set(session, result.engine);
    if (before === undefined) continue;
    followUps += 1;
    if (before === result.engine) stayed += 1;
    else moved.add(session);
  }
  return { moved, hadToMove, followUps, stayed };
}

function isDuring(timeMs: number, { fromMs, untilMs }: Outage): boolean {
  return timeMs >= fromMs && timeMs < untilMs;
}

function wasOpenAtKill({ sentMs, endedMs }: Outcome, outage: Outage | undefined): boolean {
  return outage !== undefined && sentMs <= outage.fromMs && endedMs >= outage.fromMs;
}

/** The smallest value with at least that share of all at or below it; NaN of none. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

function sum(answers: readonly ChatAnswer[], value: (answer: ChatAnswer) => number): number {
  return answers.reduce((total, answer) => total + value(answer), 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? Number.NaN : part / whole;
}
