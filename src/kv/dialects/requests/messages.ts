import type { ChatPrompt, NoTurnReason } from "../dialect.ts";
import { isObject } from "./found-body.ts";

/** The messages of a chat as OpenAI's protocol has them. */
export function readMessages(messages: unknown): ChatPrompt["messages"] | NoTurnReason {
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isObject)) return "body";
  for (const { role, content } of messages) {
    if (typeof role !== "string") return "body";
    if (typeof content === "string" || content === undefined || content === null) continue;
    if (!Array.isArray(content) || !content.every(isObject)) return "body";
    for (const { type, text } of content) {
      if (type !== "text") return "media";
      if (typeof text !== "string") return "body";
    }
  }
  return messages;
}
