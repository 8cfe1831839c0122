/** Predicted and actual turns as the API shows them. */
import type { ComparedTurn } from "../kv/prediction/last-turns.ts";
import type { PoolPrediction } from "../kv/prediction/pool-prediction.ts";
import type { Figure, FigureErrors, TurnShape } from "../kv/prediction/prediction.ts";
import { priceOf, type Prices } from "../kv/prediction/price.ts";

export interface Pricing {
  readonly prices: Prices | undefined;
  /** Of what is stored. */
  readonly ttlMs: number;
  readonly pageSize: number;
}

interface PricedTurn {
  readonly promptTokens: number;
  /** Already. */
  readonly storedTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number | undefined;
}

/** As if all that is not stored yet were stored, in whole pages. Null where there is no price, or no length of the answer. */
export function viewPrice(turn: PricedTurn, { prices, ttlMs, pageSize }: Pricing) {
  const { promptTokens, cachedTokens, outputTokens, storedTokens: before } = turn;
  if (prices === undefined || outputTokens === undefined) return null;
  const tokens = promptTokens + outputTokens;
  const storedTokens = Math.max(0, tokens - (tokens % pageSize) - before);
  const usage = { promptTokens, cachedTokens, outputTokens, storedTokens, ttlMs };
  const { uncachedInput, cachedInput, inputTokens, ...same } = priceOf(usage, prices);
  return {
    ...same,
    uncached_input: uncachedInput,
    cached_input: cachedInput,
    input_tokens: inputTokens,
  };
}

export interface PredictedTurn {
  readonly found: PoolPrediction;
  readonly shape: TurnShape;
  /** Of what it stores. */
  readonly ttlMs: number;
}

export function viewPrediction({ found, shape, ttlMs }: PredictedTurn) {
  const { predictor, pool, prices, pageSize } = found;
  const { promptTokens, storedTokens } = shape;
  const { cachedTokens, outputTokens, times } = predictor.predict(shape);
  const errors = predictor.errors();
  const figure = (name: Figure, value: number | undefined) => viewFigure(value, errors[name]);
  const turn = { promptTokens, storedTokens, cachedTokens, outputTokens };
  return {
    pool,
    prompt_tokens: promptTokens,
    cached_tokens: figure("cachedTokens", cachedTokens),
    output_tokens: figure("outputTokens", outputTokens),
    load_ms: figure("loadMs", times?.loadMs),
    prefill_ms: figure("prefillMs", times?.prefillMs),
    ttft_ms: figure("ttftMs", times?.ttftMs),
    total_ms: figure("totalMs", times?.totalMs),
    price: viewPrice(turn, { prices, ttlMs, pageSize }),
  };
}

function viewFigure(value: number | undefined, error: FigureErrors[Figure]) {
  return {
    value: value ?? null,
    p50_error: error?.p50 ?? null,
    p90_error: error?.p90 ?? null,
  };
}

export function viewComparison({ turn, prediction, errors }: ComparedTurn, pricing: Pricing) {
  const { times } = prediction;
  const { promptTokens, storedTokens } = turn;
  const side = (counts: Pick<PricedTurn, "cachedTokens" | "outputTokens">, spent: Spent) => ({
    cached_tokens: counts.cachedTokens,
    output_tokens: counts.outputTokens ?? null,
    ttft_ms: spent.ttftMs ?? null,
    total_ms: spent.totalMs ?? null,
    price: viewPrice({ promptTokens, storedTokens, ...counts }, pricing),
  });
  const { cachedTokens, outputTokens } = turn;
  return {
    prompt_tokens: promptTokens,
    stored_tokens: storedTokens,
    predicted: side(
      { cachedTokens: prediction.cachedTokens, outputTokens: prediction.outputTokens },
      { ttftMs: times?.ttftMs, totalMs: times?.totalMs },
    ),
    actual: side({ cachedTokens, outputTokens }, turn),
    errors: {
      cached_tokens: errors.cachedTokens ?? null,
      output_tokens: errors.outputTokens ?? null,
      ttft_ms: errors.ttftMs ?? null,
      total_ms: errors.totalMs ?? null,
    },
  };
}

interface Spent {
  readonly ttftMs: number | undefined;
  readonly totalMs: number | undefined;
}
