/** How long a turn would take and what it would cost, by what would be reused for it now. */
import type { FastifyRequest } from "fastify";
import type * as z from "zod";

import type { PoolPrediction } from "../kv/prediction/pool-prediction.ts";
import type { Figure, FigureErrors } from "../kv/prediction/prediction.ts";
import type { Explanation } from "../kv/turns/turn-plan.ts";
import type { Api } from "./api.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { viewPrice } from "./prediction-view.ts";
import { invalidField, noSuch } from "./refusals.ts";
import { predictBody, predictionSchema } from "./schemas/prediction.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { sessionAt } from "./session-view.ts";
import { sequenceOf, type TurnRouteLimits } from "./turns.ts";

/** No session has it. */
const NO_SESSION = "";

export function addPredict(api: Api, ports: KvApiPorts, limits: TurnRouteLimits): void {
  const { bodyLimitBytes: bodyLimit, handlerMs: handlerTimeout, bodies } = limits;

  api.post(
    "/v1/predict",
    {
      bodyLimit,
      handlerTimeout,
      preParsing: bodies.hold,
      schema: {
        operationId: "predictTurn",
        summary: "How long a turn would take and what it would cost; changes nothing",
        tags: ["turns"],
        body: predictBody,
        response: { 200: predictionSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const { prompt, max_new_tokens: maxNewTokens } = request.body;
      const { session, model, ttlMs } = await subjectOf(request, ports);
      const found = ports.predictions.ofModel(model);
      const asked = { session, model, prompt: sequenceOf(prompt) };
      const explanation = await ports.turns.explain(asked);
      if (explanation === "unknown_tenant") throw noSuch("tenant");
      if (found === undefined || typeof explanation === "string") {
        throw invalidField({ field: "model", value: model, limit: "a model with a KV profile" });
      }
      return predictionView({ found, explanation, maxNewTokens, ttlMs });
    },
  );
}

type PredictRequest = FastifyRequest<{ Body: z.output<typeof predictBody> }>;

/** Whose turn it would be: a session's, or the first of one that its tenant's default class would keep. */
async function subjectOf(request: PredictRequest, ports: KvApiPorts) {
  const tenant = tenantOf(request);
  const { session: id, model = "" } = request.body;
  if (id === undefined) {
    const { ttlMs } = ports.retention.defaultOf(tenant);
    return { session: { tenant, id: NO_SESSION }, model, ttlMs };
  }
  const session = await sessionAt({ tenant, id }, ports);
  return { session: { tenant, id }, model: session.model, ttlMs: session.retention.ttlMs };
}

interface Predicted {
  readonly found: PoolPrediction;
  readonly explanation: Explanation;
  readonly maxNewTokens: number | undefined;
  readonly ttlMs: number;
}

function predictionView(predicted: Predicted) {
  const { found, explanation, maxNewTokens, ttlMs } = predicted;
  const { promptTokens, storedTokens, limit, rules } = explanation;
  const { predictor, pool, prices } = found;
  const prediction = predictor.predict({ promptTokens, storedTokens, maxNewTokens });
  const errors = predictor.errors();
  const figure = (name: Figure, value: number | undefined) => figureView(value, errors[name]);
  const { cachedTokens, outputTokens, times } = prediction;
  const turn = { promptTokens, storedTokens, cachedTokens, outputTokens };
  return {
    pool,
    prompt_tokens: promptTokens,
    stored_tokens: storedTokens,
    limit,
    cached_tokens: figure("cachedTokens", cachedTokens),
    output_tokens: figure("outputTokens", outputTokens),
    load_ms: figure("loadMs", times?.loadMs),
    prefill_ms: figure("prefillMs", times?.prefillMs),
    ttft_ms: figure("ttftMs", times?.ttftMs),
    total_ms: figure("totalMs", times?.totalMs),
    price: viewPrice(turn, { prices, ttlMs, pageSize: rules.pageSize }),
  };
}

function figureView(value: number | undefined, error: FigureErrors[Figure]) {
  return {
    value: value ?? null,
    p50_error: error?.p50 ?? null,
    p90_error: error?.p90 ?? null,
  };
}
