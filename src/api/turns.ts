/** Turns: what an engine is given to load and where it may store, and what becomes of it. */
import type { FastifyReply } from "fastify";
import * as z from "zod";

import type { Clock } from "../clock.ts";
import { Problem } from "../http/problem.ts";
import type { PoolPrediction } from "../kv/prediction/pool-prediction.ts";
import type { Hold } from "../kv/readahead/gate.ts";
import type { Segment, TurnId } from "../kv/records.ts";
import type { TokenSequence } from "../kv/turns/token-sequence.ts";
import type {
  CommitConflict,
  CommitOutcome,
  EngineSegment,
  PlannedSegment,
  SettledPart,
  TurnPlan,
} from "../kv/turns/turn-plan.ts";
import type { Api } from "./api.ts";
import type { KvApiPorts } from "./ports.ts";
import { type PredictedTurn, viewPrediction } from "./prediction-view.ts";
import { tenantOf } from "./principal.ts";
import type { PromptBodies } from "./prompt-bodies.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import type { promptField } from "./schemas/prompt.ts";
import {
  abortBody,
  commitBody,
  commitQuery,
  commitSchema,
  planBody,
  planSchema,
  turnPath,
} from "./schemas/turn.ts";
import { invalidField, noSuch } from "./refusals.ts";
import { keyOf, sessionAt } from "./session-view.ts";

const tags = ["turns"];

export interface TurnRouteLimits {
  /** Of a plan and a commit, which carry every token of a prompt. */
  readonly bodyLimitBytes: number;
  /** A plan may wait for another turn, and a commit until its bytes are verified. */
  readonly handlerMs: number;
  readonly bodies: Pick<PromptBodies, "hold" | "wait">;
}

export function addTurns(api: Api, ports: KvApiPorts, limits: TurnRouteLimits): void {
  const { turns } = ports;
  const { bodyLimitBytes: bodyLimit, handlerMs: handlerTimeout, bodies } = limits;

  api.post(
    "/v1/sessions/:id/plan",
    {
      bodyLimit,
      handlerTimeout,
      preParsing: bodies.hold,
      schema: {
        operationId: "planTurn",
        summary: "What to load for a prompt, and where to store what follows",
        tags,
        params: sessionPath,
        body: planBody,
        response: { 200: planSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { prompt, max_new_tokens: maxNewTokens, engine, wait_ms: waitMs } = request.body;
      const session = keyOf(request);
      const { model, retention } = await sessionAt(session, ports);
      if (ports.slots.ofModel(model) !== undefined) throw keptInSlots(model);
      const sequence = sequenceOf(prompt);
      const mayWait = waitMs > 0 && bodies.wait(reply);
      const hold = mayWait ? holdFor(waitMs, ports.clock, reply) : undefined;
      const plan = await turns.plan({ session, prompt: sequence, maxNewTokens, engine, hold });
      if (plan.limit === "no_session" || plan.limit === "unknown_tenant") throw noSuch("session");
      const found = ports.predictions.ofModel(model);
      const prediction = predicted(plan, { found, maxNewTokens, ttlMs: retention.ttlMs });
      return { ...planView(plan), prediction };
    },
  );

  api.post(
    "/v1/turns/:turn/commit",
    {
      bodyLimit,
      handlerTimeout,
      preParsing: bodies.hold,
      schema: {
        operationId: "commitTurn",
        summary: "What the engine has stored: once, before the turn's deadline",
        tags,
        params: turnPath,
        querystring: commitQuery,
        body: commitBody,
        response: { 200: commitSchema, 202: commitSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const turn = await ownTurn(request.params.turn, tenantOf(request), ports);
      const { prompt, output_ids: output, fresh_kv_cache: reported, engine } = request.body;
      const outcome = await turns.commit({
        turn,
        prompt: sequenceOf(prompt),
        output,
        segments: reported.map(engineSegment),
        engine: async () => engine,
      });
      if (outcome.kind === "conflict") throw conflict(outcome.reason);
      const settled = request.query.wait === "settled" ? await outcome.settled : undefined;
      const view = commitView(turn, outcome, settled);
      return reply.code(view.pending.length === 0 ? 200 : 202).send(view);
    },
  );

  api.post(
    "/v1/turns/:turn/abort",
    {
      schema: {
        operationId: "abortTurn",
        summary: "Nothing of the turn is listed, and nothing more is stored in its file",
        tags,
        params: turnPath,
        body: abortBody,
        response: { 204: z.undefined().describe("It is over"), ...problemAnswers },
      },
    },
    async (request, reply) => {
      const turn = await ownTurn(request.params.turn, tenantOf(request), ports);
      if (!(await turns.abort(turn, request.body?.reason ?? "client_gone")))
        throw conflict("unknown_turn");
      return reply.code(204).send();
    },
  );
}

/** Its turns are planned in the request path alone, and what they leave is not reported but saved. */
function keptInSlots(model: string): Problem {
  const limit = "a model with a KV profile: the engines of this one keep KV in slots";
  return invalidField({ field: "model", value: model, limit });
}

/** The caller has said what the wait is worth. */
function holdFor(waitMs: number, clock: Clock, { raw: response }: FastifyReply): Hold {
  const leaving = new AbortController();
  response.once("close", () => leaving.abort());
  return { signal: leaving.signal, untilMs: clock.now() + waitMs };
}

/** Another tenant's turn is told like one that is over: both are none of the caller's. */
async function ownTurn(id: string, tenant: string, { catalog }: KvApiPorts): Promise<TurnId> {
  const turn = await catalog.turn(id as TurnId);
  if (turn?.session.tenant !== tenant) throw conflict("unknown_turn");
  return turn.id;
}

function conflict(reason: CommitConflict): Problem {
  switch (reason) {
    case "unknown_turn":
      return new Problem("turn_over", "there is no such turn, or it is over");
    case "already_reported":
      return new Problem("turn_reported", "the turn was committed before");
    case "other_prompt":
      return new Problem("turn_mismatch", "the turn was planned for another prompt or model");
    case "location_unknown":
      return new Problem("location_unknown", "the turn's location is not configured any more");
  }
}

export function sequenceOf(prompt: z.output<typeof promptField>): TokenSequence {
  const { kind, ids, grid, extra_key: extraKey, cache_salt: cacheSalt } = prompt;
  const digests = grid.map((digest) => Buffer.from(digest, "hex"));
  return { kind, context: { extraKey, cacheSalt }, grid: digests, ids };
}

function engineSegment(
  reported: z.output<typeof commitBody>["fresh_kv_cache"][number],
): EngineSegment {
  return {
    tokenStart: reported.token_start,
    tokenLength: reported.token_length,
    kvUri: reported.kv_uri,
    kvStart: reported.kv_start,
    kvLength: reported.kv_length ?? undefined,
  };
}

interface PredictedBy extends Pick<PredictedTurn, "ttlMs"> {
  readonly found: PoolPrediction | undefined;
  readonly maxNewTokens: number;
}

function predicted(plan: TurnPlan, { found, maxNewTokens: limit, ttlMs }: PredictedBy) {
  const { promptTokens, storedTokens } = plan;
  if (found === undefined || promptTokens === 0) return null;
  const maxNewTokens = limit === 0 ? undefined : limit;
  return viewPrediction({ found, shape: { promptTokens, storedTokens, maxNewTokens }, ttlMs });
}

function planView({ stored, storedTokens, limit, fresh, deadlineMs }: TurnPlan) {
  const isReserved = fresh.kind === "reserved";
  return {
    turn: isReserved ? fresh.turn : null,
    stored_kv_cache: stored.map(segmentView),
    fresh_kv_cache: isReserved ? fresh.segments.map(segmentView) : [],
    stored_tokens: storedTokens,
    limit,
    unreserved: isReserved ? null : fresh.reason,
    deadline_ms: deadlineMs,
  };
}

export function segmentView({ tokenStart, tokenLength, kvUri, kvStart }: PlannedSegment) {
  return { token_start: tokenStart, token_length: tokenLength, kv_uri: kvUri, kv_start: kvStart };
}

type Accepted = Extract<CommitOutcome, { kind: "accepted" }>;

function commitView(
  turn: TurnId,
  { pending, dropped }: Accepted,
  settled?: readonly SettledPart[],
) {
  const parts = settled ?? [];
  return {
    turn,
    pending: settled === undefined ? pending.map((segment) => partView(segment)) : [],
    listed: parts.flatMap((part) =>
      part.kind === "listed" ? [{ ...partView(part.segment), segment: part.as }] : [],
    ),
    dropped: [
      ...dropped.map(({ segment, reason }) => ({ segment, reason })),
      ...parts.flatMap((part) =>
        part.kind === "dropped" ? [{ segment: part.segment.id, reason: part.reason }] : [],
      ),
    ],
  };
}

function partView({ id, tokenStart, tokenLength }: Segment) {
  return { segment: id, token_start: tokenStart, token_length: tokenLength };
}
