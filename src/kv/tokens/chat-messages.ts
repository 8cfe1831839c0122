/**
 * Messages as SGLang gives them to a template: members that are null are not there, a `content` that is absent is empty, parts of a
 * text are joined for templates that take one, the arguments of tool calls are objects, and a last message of the assistant is either
 * continued or somebody else's.
 *
 * Two prompts that an engine renders differently must never be one here, or the KV of one would be loaded for the other. So what
 * parsing has made equal is refused: numbers beyond what a double holds exactly, and keys that are array indices, whose order is lost.
 */
import type { ChatPrompt } from "../dialects/dialect.ts";

export interface TemplateChat {
  readonly messages: readonly Message[];
  /** What the assistant's answer begins with: comes behind the rendered text, and is tokenised apart from it. */
  readonly continued: string;
}

type Message = Readonly<Record<string, unknown>>;

/** Throws for messages that the engine would refuse too, or that cannot be told from others. */
export function toTemplateChat(chat: ChatPrompt, takesParts: boolean): TemplateChat {
  for (const value of [chat.messages, chat.tools, chat.templateKwargs]) assertDistinct(value);
  const messages = chat.messages.map((message) => toMessage(message, takesParts));
  const last = messages.at(-1);
  const { role, content } = last ?? {};
  if (role !== "assistant" || typeof content !== "string") return { messages, continued: "" };
  const before = messages.slice(0, -1);
  if (chat.continueFinalMessage) return { messages: before, continued: content };
  return { messages: [...before, { role: "user", content }], continued: "" };
}

function toMessage(message: Message, takesParts: boolean): Message {
  const members = Object.entries(message).filter(([, value]) => value !== null);
  const present = Object.fromEntries(members);
  const { role, content = "", tool_calls: calls } = present;
  const isJoined = Array.isArray(content) && (!takesParts || role === "tool");
  return {
    ...present,
    content: isJoined ? content.map(textOf).join(" ") : content,
    ...(role === "assistant" && Array.isArray(calls) && { tool_calls: calls.map(toToolCall) }),
  };
}

function textOf(part: unknown): string {
  const text = typeof part === "string" ? part : (part as { text?: unknown } | null)?.text;
  if (typeof text === "string") return text;
  throw new Error("a part of a content is no text");
}

function toToolCall(call: unknown): unknown {
  const called = (call as { function?: Message } | null)?.function;
  const json = called?.["arguments"];
  if (typeof json !== "string") return call;
  const values: unknown = JSON.parse(json, keepsSpelling);
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new Error("the arguments of a tool call are no object");
  }
  assertDistinct(values);
  return { ...(call as Message), function: { ...called, arguments: values } };
}

/** 1 and 1.0 are two prompts. */
function keepsSpelling(_key: string, value: unknown, context?: { source?: string }): unknown {
  const { source } = context ?? {};
  if (typeof value === "number" && source !== undefined && source !== String(value)) {
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
