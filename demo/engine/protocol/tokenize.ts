/** SGLang's `POST /tokenize`: a prompt, several, or the messages of a chat with what else belongs to their prompt. */
import type { EngineTokenizer } from "../tokenizer/engine-tokenizer.ts";
import { BadRequest, type JsonObject } from "./bad-request.ts";
import { parseMessages } from "./chat.ts";

export interface Tokenized {
  readonly tokens: readonly number[] | readonly (readonly number[])[];
  readonly count: number | readonly number[];
}

export function tokenize(fields: JsonObject, tokenizer: EngineTokenizer): Tokenized {
  const { prompt = null, messages = null } = fields;
  if ((prompt === null) === (messages === null)) {
    throw new BadRequest("Exactly one of 'prompt' or 'messages' must be provided.");
  }
  if (messages !== null) return counted(tokenizer.encodeChat(parseMessages(fields)));
  const isBare = fields["add_special_tokens"] === false;
  const encode = (text: string) =>
    isBare ? tokenizer.encodePlain(text) : tokenizer.encodeText(text);
  if (typeof prompt === "string") return counted(encode(prompt));
  if (!Array.isArray(prompt) || !prompt.every((text) => typeof text === "string")) {
    throw new BadRequest("prompt must be a string or a list of strings");
  }
  const tokens = prompt.map(encode);
  return { tokens, count: tokens.map((ids) => ids.length) };
}

function counted(tokens: readonly number[]): Tokenized {
  return { tokens, count: tokens.length };
}
