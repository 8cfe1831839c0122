/** Brings what a session has nearer to its engines, before a turn of it asks. */
import type { Api } from "./api.ts";
import type { KvApiPorts } from "./ports.ts";
import { invalidField, noSuch } from "./refusals.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { prefetchBody, prefetchSchema } from "./schemas/turn.ts";
import { keyOf, sessionAt } from "./session-view.ts";
import { sequenceOf, type TurnRouteLimits } from "./turns.ts";

export function addPrefetch(api: Api, ports: KvApiPorts, limits: TurnRouteLimits): void {
  const { bodyLimitBytes: bodyLimit, handlerMs: handlerTimeout, bodies } = limits;

  api.post(
    "/v1/sessions/:id/prefetch",
    {
      bodyLimit,
      handlerTimeout,
      preParsing: bodies.hold,
      schema: {
        operationId: "prefetchSession",
        summary: "Brings what the session has to the fastest place with room; answers at once",
        tags: ["turns"],
        params: sessionPath,
        body: prefetchBody,
        response: { 202: prefetchSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const session = keyOf(request);
      const { model } = await sessionAt(session, ports);
      const prompt = request.body?.prompt && sequenceOf(request.body.prompt);
      const outcome = await ports.prefetcher.prefetch({ session, prompt });
      if (outcome === "unknown_model") {
        throw invalidField({ field: "model", value: model, limit: "a model with a KV profile" });
      }
      if (typeof outcome === "string") throw noSuch("session");
      const { segments, bytes, nearBytes, queuedBytes } = outcome;
      return reply
        .code(202)
        .send({ segments, bytes, near_bytes: nearBytes, queued_bytes: queuedBytes });
    },
  );
}
