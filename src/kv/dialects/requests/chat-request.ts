/** `POST /v1/chat/completions` as SGLang takes it. */
import { isExactJson } from "../../../json/exact-json.ts";
import { objectShape, type FoundObject } from "../../../json/json-members.ts";
import type { ChatPrompt, NoTurnReason } from "../dialect.ts";
import { given, isObject, parsedValue, textOf, TOO_MUCH, type FoundBody } from "./found-body.ts";
import { readMessages } from "./messages.ts";
import { CHAT_NEUTRAL } from "./neutral-fields.ts";
import { isCount, readContext, refusal, SESSION_MEMBERS } from "./request-format.ts";
import type { RefusedMembers, RequestFormat, TurnFacts } from "./request-format.ts";

/** The unknown ones change the prompt where they are not null, in ways that no template shows. */
const REFUSED: RefusedMembers = {
  session_id: "native_session",
  lora_path: "adapter",
  lora_id: "adapter",
  input_ids: "unknown_field",
  reasoning: "unknown_field",
  reasoning_effort: "unknown_field",
  task: "unknown_field",
  documents: "unknown_field",
};

/** In the order in which `readChat` has their values. */
const PROMPT = [
  "messages",
  "tools",
  "tool_choice",
  "chat_template_kwargs",
  "continue_final_message",
];
const LIMITS = ["max_completion_tokens", "max_tokens"];
const REST = [...LIMITS, "model", "stream", "n", "extra_key", "cache_salt"];
const READ = [...PROMPT, ...REST, ...Object.keys(REFUSED)];

/** By each of them SGLang tells the usage of a stream: in one more event, or in every event with text. */
const USAGE_OPTIONS = ["include_usage", "continuous_usage_stats"];

export const chatRequest: RequestFormat = {
  shape: objectShape({
    wanted: {
      ...SESSION_MEMBERS,
      kv_transfer_params: objectShape({ wanted: {} }),
      stream_options: objectShape({
        wanted: Object.fromEntries(USAGE_OPTIONS.map((name) => [name, null])),
      }),
      ...Object.fromEntries(READ.map((name) => [name, null])),
    },
    known: CHAT_NEUTRAL,
  }),
  read(body) {
    const refused = refusal(body, REFUSED);
    if (refused !== undefined) return refused;
    const transfer = given(body, "kv_transfer_params");
    if (transfer !== undefined && transfer.object === undefined) return "body";
    if (transfer?.object?.hasUnknown === true) return "unknown_field"; // KV may come from elsewhere
    const answers = value(body, "n") ?? 1;
    if (!isCount(answers) || answers === 0) return "body";
    if (answers > 1) return "samples";
    const chat = readChat(body);
    if (typeof chat === "string") return chat;
    const limit = readLimit(body);
    const context = readContext(body);
    const usage = readUsage(body);
    if (limit === undefined || context === undefined || usage === undefined) return "body";
    return { prompt: { kind: "chat", chat }, ...limit, context, ...usage };
  },
};

/** Null and absent are the same. */
function value(body: FoundBody, name: string, object?: FoundObject): unknown {
  const member = given(body, name, object);
  return member && parsedValue(body, member.value);
}

/** Undefined: it is no count. 0 counts as absent. */
function readLimit(body: FoundBody): Pick<TurnFacts, "maxNewTokens"> | undefined {
  const limits = LIMITS.map((name) => value(body, name) ?? 0);
  if (!limits.every(isCount)) return undefined;
  return { maxNewTokens: limits.find((limit) => limit > 0) };
}

/** Undefined: the options of the stream are none. */
function readUsage(body: FoundBody): Pick<TurnFacts, "needsUsage"> | undefined {
  const isStream = value(body, "stream") === true;
  const options = given(body, "stream_options");
  if (options === undefined) return { needsUsage: isStream };
  const { object } = options;
  if (object === undefined) return undefined;
  const asked = USAGE_OPTIONS.map((name) => value(body, name, object) ?? false);
  if (!asked.every((each) => typeof each === "boolean")) return undefined;
  return { needsUsage: isStream && !asked.includes(true) };
}

function readChat(body: FoundBody): ChatPrompt | NoTurnReason {
  const values = PROMPT.map((name) => value(body, name));
  if (values.includes(TOO_MUCH) || !isExact(body)) return "unknown_field";
  const [list, tools = [], choice = "auto", templateKwargs = {}, isContinued = false] = values;
  const messages = readMessages(list);
  if (typeof messages === "string") return messages;
  if (!Array.isArray(tools) || !isObject(templateKwargs)) return "body";
  if (typeof isContinued !== "boolean") return "body";
  if (typeof choice !== "string") return "unknown_field"; // the template gets that tool alone
  const isShown = tools.length > 0 && choice !== "none";
  const shown = isShown ? tools : undefined;
  return { messages, tools: shown, templateKwargs, continueFinalMessage: isContinued };
}

function isExact(body: FoundBody): boolean {
  return PROMPT.every((name) => {
    const member = given(body, name);
    return member === undefined || isExactJson(textOf(body, member.value));
  });
}
