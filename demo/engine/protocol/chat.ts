/**
 * OpenAI's `POST /v1/chat/completions` as SGLang's fork answers it. What was stored is told under `kv_transfer_params`: in the one
 * JSON text, or in an event of its own after the last token. A stream that is asked for its usage has it as OpenAI's: null in each
 * event but one more at the end; or, as in SGLang, in each event with text.
 */
import { BadRequest, isObject, optionalObject, optionalString } from "./bad-request.ts";
import type { JsonObject } from "./bad-request.ts";
import { LAST_EVENT, formatEvent } from "./answer-state.ts";
import type { AnswerForm, AnswerState, Answerer, Finish, Usage } from "./answer-state.ts";
import type { Chat, ChatMessage, ContentPart } from "../tokenizer/engine-tokenizer.ts";
import { explicitDialect, formatKvReport, parseKvRequest } from "./kv-dialects.ts";
import type { KvRequest } from "./kv-dialects.ts";
import type { Tool } from "../tokenizer/tools.ts";
import { parseSampling } from "./sampling.ts";
import type { Sampling } from "./sampling.ts";

export interface ChatRequest {
  readonly model: string | undefined;
  readonly chat: Chat;
  readonly sampling: Sampling;
  readonly isStream: boolean;
  readonly usage: UsageOptions;
  readonly rid: string | undefined;
  readonly kv: KvRequest | undefined;
}

interface UsageOptions {
  readonly isIncluded: boolean;
  readonly isContinuous: boolean;
}

export function parseChat(fields: JsonObject): ChatRequest {
  const transfer = optionalObject(fields, "kv_transfer_params");
  const params = transfer && optionalObject(transfer, "kvcache_params");
  return {
    model: optionalString(fields, "model"),
    chat: parseMessages(fields),
    sampling: parseSampling(fields, ["max_completion_tokens", "max_tokens"]),
    isStream: fields["stream"] === true,
    usage: parseUsage(optionalObject(fields, "stream_options") ?? {}),
    rid: optionalString(fields, "rid"),
    kv: params && parseKvRequest(explicitDialect, params),
  };
}

function parseUsage(options: JsonObject): UsageOptions {
  return {
    isIncluded: options["include_usage"] === true,
    isContinuous: options["continuous_usage_stats"] === true,
  };
}

/** And what else of the request belongs to the prompt. */
export function parseMessages(fields: JsonObject): Chat {
  const { messages: list } = fields;
  if (!Array.isArray(list) || list.length === 0) {
    throw new BadRequest("messages must be a list of at least one message");
  }
  const messages = list.map(parseMessage);
  const last = messages.at(-1);
  const isAnswer = last?.role === "assistant";
  const continueFinalMessage = isAnswer && fields["continue_final_message"] === true;
  // As in SGLang: an answer that is not gone on with counts as the user's words.
  if (isAnswer && !continueFinalMessage) messages.push({ ...messages.pop(), role: "user" });
  return {
    messages,
    tools: parseTools(fields["tools"] ?? undefined),
    templateKwargs: optionalObject(fields, "chat_template_kwargs"),
    continueFinalMessage,
  };
}

function parseMessage(message: unknown, index: number): ChatMessage {
  if (!isObject(message) || typeof message["role"] !== "string") {
    throw new BadRequest(`messages[${index}].role must be a string`);
  }
  const { role, content = null } = message;
  if (content === null || typeof content === "string") return { role, content };
  if (!Array.isArray(content)) {
    throw new BadRequest(`messages[${index}].content must be a string or a list of parts`);
  }
  return { role, content: content.filter(isTextPart) };
}

function isTextPart(part: unknown): part is ContentPart {
  return isObject(part) && part["type"] === "text" && typeof part["text"] === "string";
}

function parseTools(tools: unknown): readonly Tool[] | undefined {
  if (tools === undefined) return undefined;
  if (Array.isArray(tools) && tools.every(isTool)) return tools;
  throw new BadRequest("tools must be a list of functions with names");
}

function isTool(tool: unknown): tool is Tool {
  return (
    isObject(tool) && isObject(tool["function"]) && typeof tool["function"]["name"] === "string"
  );
}

export function chatForm(answerer: Answerer, request: ChatRequest): AnswerForm {
  let sent = "";
  return {
    whole: (state) => formatWhole(answerer, request.kv, state),
    start: () =>
      formatEvents(request, [chunk(answerer, { delta: { role: "assistant", content: "" } })]),
    events: (state) => {
      const content = state.text.slice(sent.length);
      sent = state.text;
      const usage = request.usage.isContinuous ? { usage: formatUsage(state.usage) } : {};
      const told = { ...chunk(answerer, { delta: { content } }), ...usage };
      const events: object[] = content === "" ? [] : [told];
      if (state.finish === undefined) return formatEvents(request, events);
      events.push(...closing(answerer, request, { ...state, finish: state.finish }));
      return formatEvents(request, events) + LAST_EVENT;
    },
  };
}

/** Where the usage is asked for, no event is without. */
function formatEvents({ usage }: ChatRequest, events: readonly object[]): string {
  const rest = usage.isIncluded ? { usage: null } : {};
  return events.map((event) => formatEvent({ ...event, ...rest, ...event })).join("");
}

function formatWhole(
  answerer: Answerer,
  kv: KvRequest | undefined,
  { text, usage, finish }: AnswerState,
): object {
  return {
    ...head(answerer, "chat.completion"),
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: text },
        logprobs: null,
        finish_reason: finish?.reason.type ?? null,
        matched_stop: finish?.reason.type === "stop" ? finish.reason.matched : null,
      },
    ],
    usage: formatUsage(usage),
    metadata: { weight_version: answerer.weightVersion },
    ...(finish && { logits_digest: finish.digest }),
    ...(kv && finish && { kv_transfer_params: formatTransfer(kv, finish) }),
  };
}

/** Why the answer ended, what was stored, and, where it was asked for, the usage: each in an event of its own. */
function closing(
  answerer: Answerer,
  { kv, usage: options }: ChatRequest,
  { usage, finish }: AnswerState & { readonly finish: Finish },
): object[] {
  const end = chunk(answerer, { delta: {}, finishReason: finish.reason.type });
  const events: object[] = [{ ...end, logits_digest: finish.digest }];
  if (kv !== undefined) {
    const report = { kv_transfer_params: formatTransfer(kv, finish) };
    events.push({ ...chunk(answerer, { delta: {} }), ...report });
  }
  if (options.isIncluded) {
    const usageHead = head(answerer, "chat.completion.chunk");
    events.push({ ...usageHead, choices: [], usage: formatUsage(usage) });
  }
  return events;
}

function formatTransfer(kv: KvRequest, { saved }: Finish): object {
  return { kvcache_params: formatKvReport(kv, saved) };
}

interface Choice {
  readonly delta: object;
  readonly finishReason?: string | null;
}

function chunk(answerer: Answerer, { delta, finishReason = null }: Choice): object {
  return {
    ...head(answerer, "chat.completion.chunk"),
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
  };
}

function head({ id, created, model, engine }: Answerer, object: string): object {
  return { id, object, created, model, system_fingerprint: engine };
}

function formatUsage(usage: Usage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  };
}
