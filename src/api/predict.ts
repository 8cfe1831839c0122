/** How long a turn would take and what it would cost, by what would be reused for it now. */
import type { FastifyRequest } from "fastify";
import type * as z from "zod";

import type { Api } from "./api.ts";
import { lookFor } from "./looks.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { viewPrediction } from "./prediction-view.ts";
import { invalidField, noSuch } from "./refusals.ts";
import { predictionSchema } from "./schemas/prediction.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { predictBody } from "./schemas/turn.ts";
import { sessionAt } from "./session-view.ts";
import type { TurnRouteLimits } from "./turns.ts";

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
      const { ttlMs, ...subject } = await subjectOf(request, ports);
      const { model } = subject;
      const found = ports.predictions.ofModel(model);
      const explanation = await lookFor({ ...subject, prompt }, ports);
      if (explanation === "unknown_tenant") throw noSuch("tenant");
      if (found === undefined || typeof explanation === "string") {
        throw invalidField({ field: "model", value: model, limit: "a model with a KV profile" });
      }
      const { promptTokens, limit } = explanation;
      const inSlots = "slots" in explanation ? explanation.slots : [];
      const storedTokens = Math.max(
        explanation.storedTokens,
        ...inSlots.map(({ reusedTokens }) => reusedTokens),
      );
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
    return { session: { tenant, id: NO_SESSION }, model, ttlMs, isNew: true };
  }
  const session = await sessionAt({ tenant, id }, ports);
  const { model: its, retention } = session;
  return { session: { tenant, id }, model: its, ttlMs: retention.ttlMs, isNew: false };
}
