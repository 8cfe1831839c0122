/** Brings what a session has nearer to its engines, before a turn of it asks. */
import type { SessionKey } from "../kv/records.ts";
import type { PrefetchRequest } from "../kv/turns/prefetcher.ts";
import type { Api } from "./api.ts";
import { lookFor, type LookPrompt, tokensOf } from "./looks.ts";
import type { KvApiPorts } from "./ports.ts";
import { invalidField, noSuch } from "./refusals.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { prefetchBody, prefetchSchema } from "./schemas/turn.ts";
import { keyOf, sessionAt } from "./session-view.ts";
import type { TurnRouteLimits } from "./turns.ts";

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
      const wanted = await wantedOf({ session, model, prompt: request.body?.prompt }, ports);
      const outcome = await ports.prefetcher.prefetch({ session, ...wanted });
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

interface Asked {
  readonly session: SessionKey;
  readonly model: string;
  readonly prompt: LookPrompt | undefined;
}

/** Where engines keep KV in slots, the snapshot that would be restored. */
async function wantedOf(
  { session, model, prompt }: Asked,
  ports: KvApiPorts,
): Promise<Omit<PrefetchRequest, "session">> {
  if (prompt === undefined) return {};
  if (ports.slots.ofModel(model) === undefined) return { prompt: tokensOf(prompt) };
  const look = await lookFor({ session, model, prompt, isNew: false }, ports);
  return { segments: typeof look === "string" ? [] : look.segments };
}
