/** What is said of a turn before it, and what it was. Tokens are whole or expected numbers, times are milliseconds. */

export interface TurnShape {
  readonly promptTokens: number;
  /** Of the prompt, given to load: at most all of it. */
  readonly storedTokens: number;
  /** Of the prompt, that its engine computed itself in the session's last turn, and may still have. Undefined: nobody knows. */
  readonly residentTokens?: number | undefined;
  /** Since that turn: the longer, the less of it may be left. 0 unless given. */
  readonly idleMs?: number | undefined;
  /** Undefined: as many as the engine likes. */
  readonly maxNewTokens: number | undefined;
}

export interface Prediction {
  /** Of the prompt, that the engine will not compute. */
  readonly cachedTokens: number;
  /** Undefined where nothing is known of it: no limit was given, and no answer was seen. */
  readonly outputTokens: number | undefined;
  /** Undefined before enough turns were seen. */
  readonly times: PredictedTimes | undefined;
}

export interface PredictedTimes {
  readonly loadMs: number;
  /** With all that does not depend on tokens. */
  readonly prefillMs: number;
  /** From the release of the request to the first byte of a streamed answer: the two together. */
  readonly ttftMs: number;
  /** To the end of the answer. Undefined where its length is. */
  readonly totalMs: number | undefined;
}

/** As the engine counted, and as it was seen to take. */
export interface ObservedTurn extends TurnShape {
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Undefined where the answer was not streamed: its first byte says nothing then. */
  readonly ttftMs: number | undefined;
  readonly totalMs: number;
}

/** Everything that has an error of its own, as others read of it. */
export const FIGURE_NAMES = {
  cachedTokens: "cached_tokens",
  outputTokens: "output_tokens",
  loadMs: "load_ms",
  prefillMs: "prefill_ms",
  ttftMs: "ttft_ms",
  totalMs: "total_ms",
} as const;
export type Figure = keyof typeof FIGURE_NAMES;
export const FIGURES = Object.keys(FIGURE_NAMES) as readonly Figure[];

/** Of the turns of late: half of them erred by no more than `p50`, nine of ten by no more than `p90`. */
export interface FigureError {
  readonly p50: number;
  readonly p90: number;
}

/** By figure; undefined before enough turns were compared. */
export type FigureErrors = Readonly<Record<Figure, FigureError | undefined>>;

/** Fractions, by figure; undefined where there was no prediction, or nothing to compare it with. */
export type TurnErrors = Readonly<Record<Figure, number | undefined>>;

/** As docs/prediction.md has it. */
export function errorsOf(prediction: Prediction, turn: ObservedTurn): TurnErrors {
  const { times } = prediction;
  const { ttftMs } = turn;
  const off = times === undefined || ttftMs === undefined ? undefined : ttftMs - times.ttftMs;
  return {
    cachedTokens: ratio(prediction.cachedTokens - turn.cachedTokens, turn.promptTokens),
    outputTokens: ratio(
      minus(prediction.outputTokens, turn.outputTokens),
      Math.max(turn.outputTokens, 1),
    ),
    loadMs: ratio(off, times?.loadMs),
    prefillMs: ratio(off, times?.prefillMs),
    ttftMs: ratio(off, ttftMs),
    totalMs: ratio(minus(times?.totalMs, turn.totalMs), turn.totalMs),
  };
}

function minus(left: number | undefined, right: number): number | undefined {
  return left === undefined ? undefined : left - right;
}

function ratio(difference: number | undefined, of: number | undefined): number | undefined {
  if (difference === undefined || of === undefined) return undefined;
  const error = Math.abs(difference) / of;
  return Number.isFinite(error) ? error : undefined;
}
