/** SGLang's native `POST /generate`: one prompt as text or ids, its answer as one JSON text or as events that repeat it so far. */
import { BadRequest, optionalInteger, optionalObject, optionalString } from "./bad-request.ts";
import type { JsonObject } from "./bad-request.ts";
import { explicitDialect, formatKvReport, parseKvRequest, sessionDialect } from "./kv-dialects.ts";
import type { KvRequest } from "./kv-dialects.ts";
import { parseSampling } from "./sampling.ts";
import type { Sampling } from "./sampling.ts";
import { LAST_EVENT, formatEvent, metaInfo } from "./answer-state.ts";
import type { AnswerForm, AnswerState, Answerer } from "./answer-state.ts";

export interface GenerateRequest {
  readonly input: GenerateInput;
  readonly sampling: Sampling;
  readonly isStream: boolean;
  /** Of the request; the engine names one that has none. */
  readonly rid: string | undefined;
  readonly session: SessionUse | undefined;
  readonly kv: KvRequest | undefined;
}

export type GenerateInput =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "ids"; readonly ids: readonly number[] };

/** How a request uses a session of the engine's own: the prompt may go on from an earlier request's. */
export interface SessionUse {
  readonly id: string;
  readonly rid: string | undefined;
  readonly offset: number | undefined;
  readonly replaces: boolean;
  readonly dropsPreviousOutput: boolean;
}

export function parseGenerate(fields: JsonObject): GenerateRequest {
  const session = optionalObject(fields, "session_params");
  const explicit = optionalObject(fields, "kvcache_params");
  const sessionKv = session && parseKvRequest(sessionDialect, session);
  const explicitKv = explicit && parseKvRequest(explicitDialect, explicit);
  if (sessionKv !== undefined && explicitKv !== undefined) {
    throw new BadRequest("session_params and kvcache_params must not both name segments");
  }
  return {
    input: parseInput(fields),
    sampling: parseSampling(optionalObject(fields, "sampling_params") ?? {}, ["max_new_tokens"]),
    isStream: fields["stream"] === true,
    rid: optionalString(fields, "rid"),
    session: session && parseSessionUse(session),
    kv: sessionKv ?? explicitKv,
  };
}

function parseInput({ text, input_ids: ids }: JsonObject): GenerateInput {
  if (typeof text === "string") return { kind: "text", text };
  if (Array.isArray(ids) && ids.length > 0 && ids.every((id) => Number.isSafeInteger(id))) {
    return { kind: "ids", ids };
  }
  throw new BadRequest("text must be a string, or input_ids a list of at least one integer");
}

function parseSessionUse(params: JsonObject): SessionUse | undefined {
  const id = optionalString(params, "id");
  if (id === undefined) return undefined;
  return {
    id,
    rid: optionalString(params, "rid"),
    offset: optionalInteger(params, "offset"),
    replaces: params["replace"] === true,
    dropsPreviousOutput: params["drop_previous_output"] === true,
  };
}

/** Each event says everything again that is known so far. */
export function generateForm(answerer: Answerer, kv: KvRequest | undefined): AnswerForm {
  const whole = (state: AnswerState) => ({
    text: state.text,
    output_ids: state.outputIds,
    meta_info: metaInfo(answerer, state),
    ...(kv && { [kv.dialect.member]: formatKvReport(kv, state.finish?.saved ?? kv.fresh) }),
  });
  return {
    whole,
    start: () => "",
    events: (state) => formatEvent(whole(state)) + (state.finish === undefined ? "" : LAST_EVENT),
  };
}
