/** `POST /v1/chat/completions` as SGLang takes it. */
import { isExactJsonInSlices } from "../../../json/exact-json.ts";
import { objectShape } from "../../../json/json-members.ts";
import type { Slices } from "../../../json/slices.ts";
import type { ChatPrompt, NoTurnReason } from "../dialect.ts";
import {
  given,
  isObject,
  parsedMember,
  parsedMembers,
  TOO_MUCH,
  type FoundBody,
} from "./found-body.ts";
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
  *read(body) {
    const refused = refusal(body, REFUSED);
    if (refused !== undefined) return refused;
    const transfer = given(body, "kv_transfer_params");
    if (transfer !== undefined && transfer.object === undefined) return "body";
    if (transfer?.object?.hasUnknown === true) return "unknown_field"; // KV may come from elsewhere
    const answers = (yield* parsedMember(body, "n")) ?? 1;
    if (!isCount(answers) || answers === 0) return "body";
    if (answers > 1) return "samples";
    const chat = yield* readChat(body);
    if (typeof chat === "string") return chat;
    const limit = yield* readLimit(body);
    const context = readContext(body);
    const usage = yield* readUsage(body);
    if (limit === undefined || context === undefined || usage === undefined) return "body";
    return { prompt: { kind: "chat", chat }, ...limit, context, ...usage };
  },
};

/** Undefined: it is no count. 0 counts as absent. */
function* readLimit(body: FoundBody): Slices<Pick<TurnFacts, "maxNewTokens"> | undefined> {
  const limits = (yield* parsedMembers(body, LIMITS)).map((limit) => limit ?? 0);
  if (!limits.every(isCount)) return undefined;
  return { maxNewTokens: limits.find((limit) => limit > 0) };
}

/** Undefined: the options of the stream are none. */
function* readUsage(body: FoundBody): Slices<Pick<TurnFacts, "needsUsage"> | undefined> {
  const isStream = (yield* parsedMember(body, "stream")) === true;
  const options = given(body, "stream_options");
  if (options === undefined) return { needsUsage: isStream };
  const { object } = options;
  if (object === undefined) return undefined;
  const asked = (yield* parsedMembers(body, USAGE_OPTIONS, object)).map((each) => each ?? false);
  if (!asked.every((each) => typeof each === "boolean")) return undefined;
  return { needsUsage: isStream && !asked.includes(true) };
}

function* readChat(body: FoundBody): Slices<ChatPrompt | NoTurnReason> {
  const found = yield* parsedMembers(body, PROMPT);
  if (found.includes(TOO_MUCH) || !(yield* isExact(body))) return "unknown_field";
  const [list, tools = [], choice = "auto", templateKwargs = {}, isContinued = false] = found;
  const messages = readMessages(list);
  if (typeof messages === "string") return messages;
  if (!Array.isArray(tools) || !isObject(templateKwargs)) return "body";
  if (typeof isContinued !== "boolean") return "body";
  if (typeof choice !== "string") return "unknown_field"; // the template gets that tool alone
  const isShown = tools.length > 0 && choice !== "none";
  const shown = isShown ? tools : undefined;
  return { messages, tools: shown, templateKwargs, continueFinalMessage: isContinued };
}

function* isExact(body: FoundBody): Slices<boolean> {
  for (const name of PROMPT) {
    const member = given(body, name);
    if (member === undefined) continue;
    const { start, end } = member.value;
    if (!(yield* isExactJsonInSlices(body.bytes.subarray(start, end)))) return false;
  }
  return true;
}
