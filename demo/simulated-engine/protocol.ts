/**
 * The two request forms that the engine takes, parsed to one, and the answers in the form that was asked: OpenAI's
 * `/v1/chat/completions` and SGLang's `/generate`, each whole or as server-sent events.
 */
import { BadRequest, isObject, parseObject } from "../engine/protocol/bad-request.ts";
import type { JsonObject } from "../engine/protocol/bad-request.ts";

export type Dialect = "chat" | "generate";

/** What the engine works on. Tokens are words: white space only separates them. */
export interface Prompt {
  readonly dialect: Dialect;
  readonly model: string;
  readonly tokens: readonly string[];
  readonly maxTokens: number;
  readonly isStream: boolean;
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/** Who answers: the id of the request and the names that go with it. */
export interface Answerer {
  readonly id: string;
  readonly model: string;
  readonly engine: string;
}

const maxTokensLimit = 4096;
const defaultMaxTokens = 16;

export function parsePrompt(dialect: Dialect, body: string): Prompt {
  const fields = parseObject(body);
  const sampling = dialect === "generate" ? (fields["sampling_params"] ?? {}) : fields;
  if (!isObject(sampling)) throw new BadRequest("sampling_params must be an object");
  return {
    dialect,
    model: typeof fields["model"] === "string" ? fields["model"] : "demo",
    tokens: dialect === "chat" ? chatTokens(fields) : generateTokens(fields),
    maxTokens: parseMaxTokens(sampling[dialect === "chat" ? "max_tokens" : "max_new_tokens"]),
    isStream: fields["stream"] === true,
  };
}

/** A chat as an engine's template would write it: each turn only adds to the end, so a prefix stays a prefix. */
function chatTokens(fields: JsonObject): string[] {
  const messages = fields["messages"];
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new BadRequest("messages must be a list of at least one message");
  }
  const turns = messages.flatMap((message: unknown, index) => {
    if (!isObject(message) || typeof message["role"] !== "string") {
      throw new BadRequest(`messages[${index}].role must be a string`);
    }
    return [`<|${message["role"]}|>`, ...words(contentText(message["content"], index))];
  });
  return [...turns, "<|assistant|>"];
}

function contentText(content: unknown, index: number): string {
  if (typeof content === "string") return content;
  if (content === null || content === undefined) return "";
  if (!Array.isArray(content)) {
    throw new BadRequest(`messages[${index}].content must be a string or a list of parts`);
  }
  return content
    .map((part: unknown) =>
      isObject(part) && typeof part["text"] === "string" ? part["text"] : "",
    )
    .join(" ");
}

function generateTokens(fields: JsonObject): string[] {
  const { text, input_ids: ids } = fields;
  if (typeof text === "string") return words(text);
  if (Array.isArray(ids) && ids.every((id) => Number.isInteger(id))) {
    return ids.map((id) => `#${id}`);
  }
  throw new BadRequest("text must be a string, or input_ids a list of integers");
}

function words(text: string): string[] {
  return text.match(/\S+/g) ?? [];
}

function parseMaxTokens(value: unknown): number {
  if (value === undefined || value === null) return defaultMaxTokens;
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= maxTokensLimit) {
    return Number(value);
  }
  throw new BadRequest(`the number of tokens must be an integer in 1..${maxTokensLimit}`);
}

/** The whole answer, for a request without `stream`. */
export function formatAnswer(answerer: Answerer, dialect: Dialect, answer: AnswerText): string {
  if (dialect === "generate") {
    return JSON.stringify({ text: answer.text, meta_info: metaInfo(answerer, answer.usage) });
  }
  return JSON.stringify({
    ...chatHead(answerer, "chat.completion"),
    choices: [
      { index: 0, message: { role: "assistant", content: answer.text }, finish_reason: "length" },
    ],
    usage: chatUsage(answer.usage),
  });
}

export interface AnswerText {
  readonly text: string;
  readonly usage: Usage;
}

/** One event with the newest word. `/generate` repeats the text so far, as SGLang does. */
export function formatEvent(answerer: Answerer, dialect: Dialect, step: StreamStep): string {
  if (dialect === "generate") {
    return event({ text: step.text, meta_info: metaInfo(answerer, step.usage) });
  }
  return event({
    ...chatHead(answerer, "chat.completion.chunk"),
    choices: [{ index: 0, delta: { content: step.newest }, finish_reason: null }],
  });
}

export interface StreamStep extends AnswerText {
  readonly newest: string;
}

/** What closes a stream: for a chat the reason and the usage, for both the end mark. */
export function formatStreamEnd(answerer: Answerer, dialect: Dialect, usage: Usage): string {
  if (dialect === "generate") return "data: [DONE]\n\n";
  const last = event({
    ...chatHead(answerer, "chat.completion.chunk"),
    choices: [{ index: 0, delta: {}, finish_reason: "length" }],
    usage: chatUsage(usage),
  });
  return `${last}data: [DONE]\n\n`;
}

function event(payload: object): string {
  return `data: ${JSON.stringify(payload)}\n\n`;
}

function chatHead(answerer: Answerer, object: string): object {
  return { id: answerer.id, object, model: answerer.model, system_fingerprint: answerer.engine };
}

function chatUsage(usage: Usage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  };
}

function metaInfo(answerer: Answerer, usage: Usage): object {
  return {
    id: answerer.id,
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    cached_tokens: usage.cachedTokens,
    finish_reason: { type: "length" },
  };
}
