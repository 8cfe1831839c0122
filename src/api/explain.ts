/** What would be reused for a prompt, and why not more. */
import type { SessionKey } from "../kv/records.ts";
import type { TokenSequence } from "../kv/turns/token-sequence.ts";
import type { Explanation, PlanLimit } from "../kv/turns/turn-plan.ts";
import type { Api } from "./api.ts";
import type { KvApiPorts } from "./ports.ts";
import { viewPrefix } from "./prefixes.ts";
import { invalidField, noSuch } from "./refusals.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { explanationSchema } from "./schemas/segment.ts";
import { explainQuery, planBody } from "./schemas/turn.ts";
import { viewComparison } from "./prediction-view.ts";
import { viewSegment } from "./segment-view.ts";
import { keyOf, sessionAt } from "./session-view.ts";
import { sequenceOf, type TurnRouteLimits } from "./turns.ts";

const tags = ["turns"];

export function addExplain(api: Api, ports: KvApiPorts, limits: TurnRouteLimits): void {
  const { bodyLimitBytes: bodyLimit, handlerMs: handlerTimeout, bodies } = limits;

  api.get(
    "/v1/sessions/:id/explain",
    {
      handlerTimeout,
      schema: {
        operationId: "explainShortPrompt",
        summary: "What a plan of a prompt would list, and why no more; changes nothing",
        tags,
        params: sessionPath,
        querystring: explainQuery,
        response: { 200: explanationSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const { ids, kind, extra_key: extraKey, cache_salt: cacheSalt } = request.query;
      const context = { extraKey, cacheSalt };
      const prompt = { kind, context, grid: [], ids: ids.split(",").map(Number) };
      return explain(keyOf(request), prompt, ports);
    },
  );

  api.post(
    "/v1/sessions/:id/explain",
    {
      bodyLimit,
      handlerTimeout,
      preParsing: bodies.hold,
      schema: {
        operationId: "explainPrompt",
        summary: "The same for a prompt of any length, with the body of a plan",
        tags,
        params: sessionPath,
        body: planBody,
        response: { 200: explanationSchema, ...problemAnswers },
      },
    },
    async (request) => explain(keyOf(request), sequenceOf(request.body.prompt), ports),
  );
}

async function explain(session: SessionKey, prompt: TokenSequence, ports: KvApiPorts) {
  const { model, retention } = await sessionAt(session, ports);
  const explanation = await ports.turns.explain({ session, prompt });
  if (typeof explanation === "object") {
    const last = ports.lastTurns.lookup(session);
    const pricing = { prices: ports.predictions.ofModel(model)?.prices, ttlMs: retention.ttlMs };
    const { pageSize } = explanation.rules;
    const last_turn = last === undefined ? null : viewComparison(last, { ...pricing, pageSize });
    return { ...viewExplanation(explanation, session, ports), last_turn };
  }
  if (explanation !== "unknown_model") throw noSuch("session");
  throw invalidField({ field: "model", value: model, limit: "a model with a KV profile" });
}

function viewExplanation(explanation: Explanation, { tenant }: SessionKey, ports: KvApiPorts) {
  const { promptTokens, storedTokens, segments, limit, rules, prefixes, unused } = explanation;
  return {
    prompt_tokens: promptTokens,
    stored_tokens: storedTokens,
    segments: segments.map((segment) => viewSegment(segment, tenant, ports)),
    limit,
    because: LIMITS[limit],
    page_size: rules.pageSize,
    load_threshold: rules.loadThreshold,
    prefixes: prefixes.map((prefix) => viewPrefix(prefix, tenant)),
    unused: unused.map((segment) => viewSegment(segment, tenant, ports)),
  };
}

const LIMITS = {
  nothing_stored: "no stored segment ends on this prompt",
  end_of_stored: "all that is stored of this prompt is used",
  diverged: "what more the session has goes on otherwise, or past the end of the prompt",
  gap: "there is more on this prompt, which nothing joins to its start",
  below_threshold: "it would be too little for the engine to load it",
  off_page: "there is more, which does not begin and end with whole pages",
  at_prompt_end: "there is more, which would leave the engine no token to compute",
  file_missing: "the file of the next segment is gone",
  file_damaged: "the bytes of the next segment are not what they were",
  file_unreadable: "the file of the next segment cannot be read now",
  location_unknown: "no engine reaches the location of the next segment, or it is not configured",
  no_session: "there is no such session",
  unknown_model: "the session's model has no KV profile",
  unknown_tenant: "there is no such tenant",
  other_model: "the session's model is not the engine's",
  client_gone: "nobody waited for the plan any more",
  contended: "others took what was found, again and again",
  catalog_failed: "the catalog cannot be written now",
} as const satisfies Record<PlanLimit, string>;
