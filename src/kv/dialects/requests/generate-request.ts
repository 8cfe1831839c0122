/** SGLang's own `POST /generate`. */
import { objectShape } from "../../../json/json-members.ts";
import type { Slices } from "../../../json/slices.ts";
import type { NoTurnReason, Prompt } from "../dialect.ts";
import { given, isList, isObject, parsedValue, readText, type FoundBody } from "./found-body.ts";
import { GENERATE_NEUTRAL } from "./neutral-fields.ts";
import { isCount, readContext, refusal, SESSION_MEMBERS } from "./request-format.ts";
import type { RefusedMembers, RequestFormat, TurnFacts } from "./request-format.ts";
import { readTokenIds } from "./token-ids.ts";

const REFUSED: RefusedMembers = {
  session_id: "native_session",
  image_data: "media",
  video_data: "media",
  audio_data: "media",
  modalities: "media",
  input_embeds: "media",
  positional_embed_overrides: "media",
  lora_path: "adapter",
  lora_id: "adapter",
};

/**
 * What an engine leaves out of a request once it is one of a session: `Session.create_req`, which sgl-project/sglang#14994 makes its turns by, hands on sampling, logprobs
 * and `stream`, and none of these. Their answers would lack what was asked for, or keep to a grammar while the model still thinks.
 */
const LOST_IN_SESSIONS: RefusedMembers = {
  require_reasoning: "unknown_field",
  return_hidden_states: "unknown_field",
  return_routed_experts: "unknown_field",
};

/** Where a request does not say it. */
const DEFAULT_MAX_NEW_TOKENS = 128;

const PROMPT = ["text", "input_ids", "sampling_params"];
const REST = ["model", "extra_key", "cache_salt"];
export const generateRequest = generateFormat(REFUSED);
/** Of engines that make a session of each turn. */
export const sessionRequest = generateFormat({ ...REFUSED, ...LOST_IN_SESSIONS });

function generateFormat(refused: RefusedMembers): RequestFormat {
  const read = [...PROMPT, ...REST, ...Object.keys(refused)];
  const wanted = { ...SESSION_MEMBERS, ...Object.fromEntries(read.map((name) => [name, null])) };
  return {
    shape: objectShape({ wanted, known: GENERATE_NEUTRAL.filter((name) => !read.includes(name)) }),
    read: (body) => readGenerate(body, refused),
  };
}

function* readGenerate(
  body: FoundBody,
  refused: RefusedMembers,
): ReturnType<RequestFormat["read"]> {
  const reason = refusal(body, refused);
  if (reason !== undefined) return reason;
  const sampling = yield* readSampling(body);
  if (typeof sampling === "string") return sampling;
  const prompt = yield* readPrompt(body);
  if (typeof prompt === "string") return prompt;
  const context = readContext(body);
  return context === undefined ? "body" : { prompt, ...sampling, context, needsUsage: false };
}

/** With both, the engine would read the ids; with neither, nothing. */
function* readPrompt(body: FoundBody): Slices<Prompt | NoTurnReason> {
  const [text, ids] = [given(body, "text"), given(body, "input_ids")];
  if (text !== undefined && ids === undefined) {
    if (isList(body, text.value)) return "batch";
    const value = (yield* readText(body, text.value)) ?? "";
    return value === "" ? "body" : { kind: "text", text: value };
  }
  if (ids === undefined || text !== undefined || !isList(body, ids.value)) return "body";
  const values = yield* readTokenIds(body.bytes, ids.value);
  if (values === "batch") return "batch";
  return values === undefined ? "body" : { kind: "ids", ids: values };
}

function* readSampling(body: FoundBody): Slices<Pick<TurnFacts, "maxNewTokens"> | NoTurnReason> {
  const member = given(body, "sampling_params");
  const params = member === undefined ? {} : yield* parsedValue(body, member.value);
  if (Array.isArray(params)) return "batch";
  if (!isObject(params)) return "body";
  for (const answers of [params["n"] ?? 1, params["beam_width"] ?? 1]) {
    if (!isCount(answers) || answers === 0) return "body";
    if (answers > 1) return "samples";
  }
  const { max_new_tokens: maxNewTokens = DEFAULT_MAX_NEW_TOKENS } = params;
  if (maxNewTokens === null) return { maxNewTokens: undefined };
  return isCount(maxNewTokens) ? { maxNewTokens } : "body";
}
