/** What would be reused for a prompt, and why not more. */
import type { SessionKey } from "../kv/records.ts";
import type { SittingSession, SlotExplanation, SlotLimit } from "../kv/slots/slot-onlooker.ts";
import type { Explanation, PlanLimit } from "../kv/turns/turn-plan.ts";
import type { Api } from "./api.ts";
import { lookFor, type LookPrompt } from "./looks.ts";
import type { KvApiPorts } from "./ports.ts";
import { viewPrefix } from "./prefixes.ts";
import { invalidField, noSuch } from "./refusals.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { explanationSchema } from "./schemas/segment.ts";
import { explainBody, explainQuery } from "./schemas/turn.ts";
import { viewComparison } from "./prediction-view.ts";
import { viewSegment } from "./segment-view.ts";
import { keyOf, sessionAt } from "./session-view.ts";
import type { TurnRouteLimits } from "./turns.ts";

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
      const { ids, ...query } = request.query;
      const prompt = { ...query, grid: [], ids: ids.split(",").map(Number) };
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
        summary: "The same for a prompt of any length and form, with the body of a plan",
        tags,
        params: sessionPath,
        body: explainBody,
        response: { 200: explanationSchema, ...problemAnswers },
      },
    },
    async (request) => explain(keyOf(request), request.body.prompt, ports),
  );
}

async function explain(session: SessionKey, prompt: LookPrompt, ports: KvApiPorts) {
  const { model, retention } = await sessionAt(session, ports);
  const explanation = await lookFor({ session, model, isNew: false, prompt }, ports);
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

type AnyExplanation = Explanation | SlotExplanation;

function viewExplanation(explanation: AnyExplanation, { tenant }: SessionKey, ports: KvApiPorts) {
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
    slots: "slots" in explanation ? explanation.slots.map(viewSlot) : [],
  };
}

function viewSlot({ address, slot, tokens, reusedTokens }: SittingSession) {
  return { engine: address, slot, tokens, reused_tokens: reusedTokens };
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
  not_worth: "a snapshot would spare too little, or is longer than a slot",
  engine_unknown: "no server of the session's model is there now",
  engine_mismatch: "the servers of the session's model are not as configured",
  slots_off: "the servers of the session's model do not save their slots",
  model_unknown: "nobody knows which weights the servers of the session's model have",
  no_staging: "the servers of the session's model save to no location that is configured",
} as const satisfies Record<PlanLimit | SlotLimit, string>;
