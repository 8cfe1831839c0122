/**
 * Predicts turns of one pool from those before. Times come from one regression over what an engine does in a turn: it begins, loads
 * tokens, computes tokens, looks from each of them at all before it, and answers token by token. Each turn is a row or two of it,
 * weighted so that errors count in proportion. Pure: no clock, no I/O, and a state of a few kilobytes that ends with the process.
 */
import { KeptShares } from "./kept-shares.ts";
import { LeastSquares, type Row } from "./least-squares.ts";
import {
  errorsOf,
  type Figure,
  type FigureError,
  type FigureErrors,
  FIGURES,
  type ObservedTurn,
  type PredictedTimes,
  type Prediction,
  type TurnErrors,
  type TurnShape,
} from "./prediction.ts";
import { RecentValues } from "./recent-values.ts";

/** Turns seen before times are told: as many as there are features. */
export const NEEDED_TURNS = 5;
/** Turns compared before errors are. */
export const NEEDED_ERRORS = 10;
/** Of its weight, what a turn keeps when another comes: the last 25 count as much as all before. */
const KEPT_SHARE = 0.96;
/** A time counts as no more than so many times what was expected, and no less than that part of it. */
const OUTLIER_FACTOR = 2;
/** Being off by this much to the same side, so many times in a row, is no outlier: the engine is another one now. */
const SURPRISE = 0.3;
const SURPRISES = 3;
/** What was learned before then keeps this share of its weight, with each further surprise again. */
const KEPT_AFTER_CHANGE = 0.01;
/** Nothing real is above: a turn of a day, a prompt of so many tokens. */
const LIMIT_MS = 86_400_000;
const LIMIT_TOKENS = 100_000_000;
/** Weights stay finite. */
const FLOOR_MS = 0.01;

export class Predictor {
  readonly #costs = new LeastSquares(5);
  /** Of what an engine may have kept beyond what is given to load, that it had. */
  readonly #keptShares = new KeptShares();
  /** Of a prompt's rest that was cached besides those two; below 0 the share of them which was not. */
  readonly #cachedBeyond = new RecentValues();
  /** Of the tokens that an answer was allowed. */
  readonly #answeredShares = new RecentValues();
  readonly #answeredTokens = new RecentValues();
  readonly #errors = new Map<Figure, RecentValues>(
    FIGURES.map((each) => [each, new RecentValues()]),
  );
  #turns = 0;
  /** In a row, to one side; below 0 where turns were faster than expected. */
  #surprises = 0;

  /** Never NaN, infinite or negative, for any shape of whole numbers. */
  predict(turn: TurnShape): Prediction {
    const cachedTokens = this.#cached(turn);
    const outputTokens = this.#output(turn);
    if (this.#turns < NEEDED_TURNS) return { cachedTokens, outputTokens, times: undefined };
    return { cachedTokens, outputTokens, times: this.#times(turn, cachedTokens, outputTokens) };
  }

  /**
   * Learns from a turn, and from how far off `prediction`, made before it, was. Undefined for what no engine can have done:
   * nothing is learned from that.
   */
  observe(turn: ObservedTurn, prediction: Prediction): TurnErrors | undefined {
    if (!isSound(turn)) return undefined;
    const errors = errorsOf(prediction, turn);
    for (const figure of FIGURES) {
      const error = errors[figure];
      if (error !== undefined) this.#errors.get(figure)?.add(error);
    }
    const keptShare = keptShareOf(turn);
    if (keptShare !== undefined) this.#keptShares.add(keptShare, turn.idleMs ?? 0);
    this.#cachedBeyond.add(cachedBeyond(turn, this.#had(turn)));
    this.#answeredTokens.add(turn.outputTokens);
    if (turn.maxNewTokens !== undefined && turn.maxNewTokens > 0) {
      this.#answeredShares.add(Math.min(1, turn.outputTokens / turn.maxNewTokens));
    }
    this.#learnTimes(turn);
    return errors;
  }

  errors(): FigureErrors {
    const of = (figure: Figure): FigureError | undefined => {
      const seen = this.#errors.get(figure);
      if (seen === undefined || seen.count < NEEDED_ERRORS) return undefined;
      return { p50: seen.quantile(0.5) ?? 0, p90: seen.quantile(0.9) ?? 0 };
    };
    return {
      cachedTokens: of("cachedTokens"),
      outputTokens: of("outputTokens"),
      loadMs: of("loadMs"),
      prefillMs: of("prefillMs"),
      ttftMs: of("ttftMs"),
      totalMs: of("totalMs"),
    };
  }

  #cached(turn: TurnShape): number {
    const beyond = this.#cachedBeyond.quantile(0.5) ?? 0;
    const had = this.#had(turn);
    return Math.round(had + beyond * (beyond < 0 ? had : turn.promptTokens - had));
  }

  /** What is given to load, and what of the rest an engine has kept, as they do. */
  #had(turn: TurnShape): number {
    const stored = Math.min(turn.storedTokens, turn.promptTokens);
    return stored + mayHaveKept(turn) * this.#keptShares.after(turn.idleMs ?? 0);
  }

  #output({ maxNewTokens }: TurnShape): number | undefined {
    if (maxNewTokens === undefined) return this.#answeredTokens.quantile(0.5);
    return Math.round(maxNewTokens * (this.#answeredShares.quantile(0.5) ?? 1));
  }

  #times(turn: TurnShape, cachedTokens: number, outputTokens: number | undefined): PredictedTimes {
    const { promptTokens, storedTokens } = turn;
    const work = { promptTokens, storedTokens, cachedTokens };
    const ttftMs = this.#costs.valueOf(featuresOf(work, 0));
    const loadMs = (this.#costs.coefficients[LOADED] ?? 0) * loadedTokens(work);
    const totalMs =
      outputTokens === undefined
        ? undefined
        : this.#costs.valueOf(featuresOf(work, decodedTokens(outputTokens)));
    return { loadMs, prefillMs: Math.max(0, ttftMs - loadMs), ttftMs, totalMs };
  }

  #learnTimes(turn: ObservedTurn): void {
    const { ttftMs, totalMs, outputTokens } = turn;
    const whole = { features: featuresOf(turn, decodedTokens(outputTokens)), actualMs: totalMs };
    const rows =
      ttftMs === undefined ? [whole] : [whole, { features: featuresOf(turn, 0), actualMs: ttftMs }];
    const timed = rows.map((row) => ({ ...row, expectedMs: this.#expected(row.features) }));
    this.#noteSurprise(timed.map(offBy));
    const isChanged = Math.abs(this.#surprises) >= SURPRISES;
    this.#costs.forget(isChanged ? KEPT_AFTER_CHANGE : KEPT_SHARE);
    for (const row of timed) {
      this.#costs.add(rowOf(isChanged ? row : clipped(row)));
    }
    this.#costs.solve();
    this.#turns++;
  }

  #noteSurprise(offs: readonly number[]): void {
    const worst = offs.reduce((most, each) => (Math.abs(each) > Math.abs(most) ? each : most), 0);
    const side = Math.abs(worst) < SURPRISE ? 0 : Math.sign(worst);
    const goesOn = side !== 0 && side === Math.sign(this.#surprises);
    this.#surprises = goesOn ? this.#surprises + side : side;
  }

  /** Undefined where nothing is. */
  #expected(features: readonly number[]): number | undefined {
    const expectedMs = this.#turns < NEEDED_TURNS ? 0 : this.#costs.valueOf(features);
    return expectedMs > FLOOR_MS ? expectedMs : undefined;
  }
}

interface TimedWork {
  readonly features: readonly number[];
  readonly actualMs: number;
  readonly expectedMs: number | undefined;
}

/** -1..1, by the longer of the two; below 0 where it was faster than expected. */
function offBy({ actualMs, expectedMs }: TimedWork): number {
  if (expectedMs === undefined) return 0;
  return (actualMs - expectedMs) / Math.max(actualMs, expectedMs);
}

function clipped(work: TimedWork): TimedWork {
  const { actualMs, expectedMs } = work;
  if (expectedMs === undefined) return work;
  const [low, high] = [expectedMs / OUTLIER_FACTOR, expectedMs * OUTLIER_FACTOR];
  return { ...work, actualMs: Math.min(Math.max(actualMs, low), high) };
}

/** By the time that it took, as errors are told: so the sum that is made least is of the very errors. */
function rowOf({ features, actualMs }: TimedWork): Row {
  return { features, target: actualMs, weight: 1 / Math.max(actualMs, FLOOR_MS) ** 2 };
}

interface Work {
  readonly promptTokens: number;
  readonly storedTokens: number;
  readonly cachedTokens: number;
}

/** Its place among the features. */
const LOADED = 1;

function featuresOf(work: Work, decoded: number): readonly number[] {
  const { promptTokens, cachedTokens } = work;
  const computed = promptTokens - cachedTokens;
  const lookedAt = computed * (promptTokens - computed / 2);
  return [1, loadedTokens(work), computed, lookedAt, decoded];
}

/** The engine had the rest of the cached ones itself. */
function loadedTokens({ storedTokens, cachedTokens }: Work): number {
  return Math.min(storedTokens, cachedTokens);
}

/** The first comes with the prefill. */
function decodedTokens(outputTokens: number): number {
  return Math.max(0, outputTokens - 1);
}

/** Beyond what is given to load. */
function mayHaveKept({ promptTokens, storedTokens, residentTokens = 0 }: TurnShape): number {
  return Math.max(0, Math.min(residentTokens, promptTokens) - storedTokens);
}

/** Undefined where it cannot have kept any. */
function keptShareOf(turn: ObservedTurn): number | undefined {
  const most = mayHaveKept(turn);
  const kept = turn.cachedTokens - turn.storedTokens;
  return most === 0 ? undefined : Math.min(Math.max(kept / most, 0), 1);
}

function cachedBeyond({ promptTokens, cachedTokens }: ObservedTurn, had: number): number {
  const more = cachedTokens - had;
  if (more === 0) return 0;
  return more / (more < 0 ? had : promptTokens - had);
}

function isSound(turn: ObservedTurn): boolean {
  const { promptTokens, storedTokens, cachedTokens, outputTokens, maxNewTokens } = turn;
  const { ttftMs, totalMs } = turn;
  const counts = [promptTokens, storedTokens, cachedTokens, outputTokens, maxNewTokens ?? 0];
  return (
    counts.every((each) => Number.isInteger(each) && each >= 0 && each <= LIMIT_TOKENS) &&
    promptTokens > 0 &&
    storedTokens <= promptTokens &&
    cachedTokens <= promptTokens &&
    totalMs > 0 &&
    totalMs <= LIMIT_MS &&
    (ttftMs === undefined || (ttftMs > 0 && ttftMs <= totalMs))
  );
}
