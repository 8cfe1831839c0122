/**
 * Messages as SGLang gives them to a template: of each the members of its own classes, in their order, and no others; those that are null
 * are not there, a `content` that is absent is empty, parts of a text are joined for templates that take one, the arguments of tool calls
 * are objects, and a last message of the assistant is either continued or somebody else's.
 *
 * Two prompts that an engine renders differently must never be one here, or the KV of one would be loaded for the other. So what
 * parsing has made equal is refused: numbers beyond what a double holds exactly, and keys that are array indices, whose order is lost.
 */
import { isExactNumber } from "../../json/exact-json.ts";
import type { ChatPrompt } from "../dialects/dialect.ts";
import { toTemplateTool } from "./chat-tools.ts";

export interface TemplateChat {
  readonly messages: readonly Message[];
  readonly tools: readonly object[] | null;
  /** What the assistant's answer begins with: comes behind the rendered text, and is tokenised apart from it. */
  readonly continued: string;
}

type Message = Readonly<Record<string, unknown>>;

/** Besides role and content, of all messages but a user's. */
const MEMBERS = ["tool_call_id", "name", "reasoning_content", "tool_calls", "tools"];

/** Throws for messages that the engine would refuse too, or that cannot be told from others. */
export function toTemplateChat(chat: ChatPrompt, takesParts: boolean): TemplateChat {
  for (const value of [chat.messages, chat.tools, chat.templateKwargs]) assertDistinct(value);
  const messages = chat.messages.map((message) => toMessage(message, takesParts));
  const tools = chat.tools?.map(toTemplateTool) ?? null;
  const last = messages.at(-1);
  const { role, content } = last ?? {};
  if (role !== "assistant" || typeof content !== "string")
    return { messages, tools, continued: "" };
  const before = messages.slice(0, -1);
  if (chat.continueFinalMessage) return { messages: before, tools, continued: content };
  return { messages: [...before, { role: "user", content }], tools, continued: "" };
}

function toMessage(message: Message, takesParts: boolean): Message {
  const isUser = message["role"] === "user";
  const role = isUser ? "user" : String(message["role"]).toLowerCase();
  const content = toContent(message["content"] ?? "", takesParts && role !== "tool");
  const members = (isUser ? [] : MEMBERS).map((name) => [name, message[name] ?? null] as const);
  const present = Object.fromEntries(members.filter(([, value]) => value !== null));
  const { tool_calls: calls, tools } = present;
  return {
    role,
    content,
    ...present,
    ...(Array.isArray(calls) && { tool_calls: calls.map((call) => toToolCall(call, role)) }),
    ...(Array.isArray(tools) && { tools: tools.map(toTemplateTool) }),
  };
}

function toContent(content: unknown, takesParts: boolean): unknown {
  if (!Array.isArray(content)) return content;
  if (!takesParts) return content.map(textOf).join(" ");
  return content.map((part) => ({ type: "text", text: textOf(part) }));
}

function textOf(part: unknown): string {
  const text = typeof part === "string" ? part : (part as { text?: unknown } | null)?.text;
  if (typeof text === "string") return text;
  throw new Error("a part of a content is no text");
}

function toToolCall(call: unknown, role: string): object {
  const { id = null, index = null, type = "function", function: called } = (call ?? {}) as Message;
  const { name = null, arguments: given = null } = (called ?? {}) as Message;
  const isParsed = role === "assistant" && typeof given === "string";
  return { id, index, type, function: { name, arguments: isParsed ? parsed(given) : given } };
}

function parsed(json: string): object {
  const values: unknown = JSON.parse(json, keepsSpelling);
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new Error("the arguments of a tool call are no object");
  }
  assertDistinct(values);
  return values;
}

/** 1 and 1.0 are two prompts, and what is written out otherwise by the engine is another one. */
function keepsSpelling(_key: string, value: unknown, context?: { source?: string }): unknown {
  const { source } = context ?? {};
  if (typeof value === "number" && source !== undefined && !isExactNumber(source)) {
    throw new Error(`the number ${source} has another spelling`);
  }
  return value;
}

const ARRAY_INDEX = /^(?:0|[1-9]\d{0,9})$/;

function assertDistinct(value: unknown): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new Error("a number is too large");
  }
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) return value.forEach(assertDistinct);
  for (const [key, member] of Object.entries(value)) {
    if (ARRAY_INDEX.test(key)) throw new Error(`the key ${key} is an index`);
    assertDistinct(member);
  }
}
