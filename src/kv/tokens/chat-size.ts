import type { ChatPrompt } from "../dialects/dialect.ts";

/** How much a render of a chat has to look at. */
export interface ChatSize {
  /** Objects, lists and plain values, each by itself. */
  readonly values: number;
  /** UTF-16 units of all texts. */
  readonly chars: number;
  /** Of those, in arguments of tool calls, which are JSON that is parsed. */
  readonly jsonChars: number;
}

/** Gives up counting at the limit of values. */
export function measureChat(chat: ChatPrompt, valuesLimit: number): ChatSize {
  let values = 0;
  let chars = 0;
  let jsonChars = 0;
  const waiting: unknown[] = [chat.messages, chat.tools, chat.templateKwargs];
  while (waiting.length > 0 && values <= valuesLimit) {
    const value = waiting.pop();
    values++;
    if (typeof value === "string") chars += value.length;
    else if (typeof value === "object" && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        waiting.push(member);
        if (key === "arguments" && typeof member === "string") jsonChars += member.length;
      }
    }
  }
  return { values, chars, jsonChars };
}
