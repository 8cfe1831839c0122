/** How long a turn would take and what it would cost, by what would be reused for it now. */
import type { FastifyRequest } from "fastify";
import type * as z from "zod";

import type { Api } from "./api.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { viewPrediction } from "./prediction-view.ts";
import { invalidField, noSuch } from "./refusals.ts";
import { predictionSchema } from "./schemas/prediction.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { predictBody } from "./schemas/turn.ts";
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
      const { promptTokens, storedTokens, limit } = explanation;
      const shape = { promptTokens, storedTokens, maxNewTokens };
      return { ...viewPrediction({ found, shape, ttlMs }), stored_tokens: storedTokens, limit };
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
