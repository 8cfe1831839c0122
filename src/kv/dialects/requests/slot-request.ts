/**
 * Requests to llama.cpp's server: `/completion` and `/v1/completions`, which take a prompt, and `/v1/chat/completions`.
 *
 * The server itself compares the tokens of each prompt with those in the slot, and computes from where they differ. So members that nobody here
 * knows are no reason against a turn, whatever they do to the prompt: at worst, less is reused than was thought. SGLang's engines load what
 * they are told to, so theirs are. What does harm here too is KV that the model itself would not have computed from those tokens: an
 * adapter's, or one that was moved from another place in the prompt (`n_cache_reuse`).
 */
import { objectShape } from "../../../json/json-members.ts";
import type { Slices } from "../../../json/slices.ts";
import type { ChatPrompt, NoTurnReason, Prompt } from "../dialect.ts";
import {
  given,
  isEmptyList,
  isObject,
  parsedMember,
  parsedMembers,
  TOO_MUCH,
  type FoundBody,
} from "./found-body.ts";
import { readMessages } from "./messages.ts";
import { isCount, readContext, SESSION_MEMBERS } from "./request-format.ts";
import type { RequestFormat, TurnFacts } from "./request-format.ts";
import { readSlotPrompt } from "./slot-prompt.ts";

/** In the order in which the server looks for them; the others are their aliases. */
const LIMITS = ["n_predict", "max_completion_tokens", "max_tokens"];
const ANSWERS = ["n_cmpl", "n"];
const CHAT = ["messages", "tools", "tool_choice", "chat_template_kwargs", "continue_final_message"];
/** Where the server puts less than this, or nothing, it is no limit. */
const NO_LIMIT = -1;

const COMMON = [
  ...LIMITS,
  ...ANSWERS,
  "lora",
  "n_cache_reuse", // to be replaced, as is
  "cache_prompt",
  "extra_key",
  "cache_salt",
];

export const slotCompletionRequest: RequestFormat = {
  shape: shapeOf(["prompt", "image_data"]),
  read: (body) => readFacts(body, readPrompt),
};

export const slotChatRequest: RequestFormat = {
  shape: shapeOf(CHAT),
  read: (body) => readFacts(body, readChat),
};

function shapeOf(names: readonly string[]): RequestFormat["shape"] {
  const read = [...COMMON, ...names].map((name) => [name, null]);
  return objectShape({ wanted: { ...SESSION_MEMBERS, ...Object.fromEntries(read) } });
}

type ReadPrompt = (body: FoundBody) => Slices<Prompt | NoTurnReason>;

function* readFacts(body: FoundBody, read: ReadPrompt): Slices<TurnFacts | NoTurnReason> {
  if (given(body, "lora") !== undefined) return "adapter";
  if (((yield* parsedMember(body, "n_cache_reuse")) ?? 0) !== 0) return "unknown_field";
  for (const name of ANSWERS) {
    const answers = (yield* parsedMember(body, name)) ?? 1;
    if (!isCount(answers) || answers === 0) return "body";
    if (answers > 1) return "samples";
  }
  const prompt = yield* read(body);
  if (typeof prompt === "string") return prompt;
  const limit = (yield* parsedMembers(body, LIMITS)).find(isThere) ?? NO_LIMIT;
  const context = readContext(body);
  if (context === undefined || (limit !== NO_LIMIT && !isCount(limit))) return "body";
  const maxNewTokens = limit === NO_LIMIT ? undefined : limit;
  return { prompt, maxNewTokens, context, needsUsage: false };
}

function isThere(each: unknown): boolean {
  return each !== undefined;
}

function* readPrompt(body: FoundBody): Slices<Prompt | NoTurnReason> {
  const images = given(body, "image_data");
  if (images !== undefined && !isEmptyList(body, images.value)) return "media";
  const prompt = given(body, "prompt");
  return prompt === undefined ? "body" : yield* readSlotPrompt(body, prompt.value);
}

function* readChat(body: FoundBody): Slices<Prompt | NoTurnReason> {
  const values = yield* parsedMembers(body, CHAT);
  if (values.includes(TOO_MUCH)) return "unknown_field";
  const [list, tools = [], choice, templateKwargs = {}, isContinued] = values;
  const messages = readMessages(list);
  if (typeof messages === "string") return messages;
  if (!Array.isArray(tools) || !isObject(templateKwargs)) return "body";
  const isShown = tools.length > 0 && choice !== "none";
  const chat: ChatPrompt = {
    messages,
    tools: isShown ? tools : undefined,
    templateKwargs,
    continueFinalMessage: isContinued === true,
  };
  return { kind: "chat", chat };
}
