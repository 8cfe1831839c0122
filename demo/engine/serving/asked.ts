/** Requests to the model paths, read: what is to be computed, and in which form the answer goes back. */
import { randomUUID } from "node:crypto";
import type { AnswerForm, Answerer, AnswerState } from "../protocol/answer-state.ts";
import type { JsonObject } from "../protocol/bad-request.ts";
import { chatForm, parseChat } from "../protocol/chat.ts";
import { generateForm, parseGenerate } from "../protocol/generate.ts";
import type { Job } from "./engine.ts";
import type { EngineTokenizer } from "../tokenizer/engine-tokenizer.ts";
import type { EngineSessions } from "./sessions.ts";

export interface Asked {
  readonly job: Job;
  readonly isStream: boolean;
  readonly form: AnswerForm;
  /** With the last state. */
  finished(state: AnswerState): void;
}

export interface AskedOptions {
  readonly tokenizer: EngineTokenizer;
  readonly sessions: EngineSessions;
  readonly answerer: Omit<Answerer, "id">;
  /** Streams of chats tell their usage unasked. */
  readonly tellsUsage: boolean;
}

/** Of `POST /generate`. Throws BadRequest. */
export function readGenerate(fields: JsonObject, options: AskedOptions): Asked {
  const { tokenizer, sessions, answerer } = options;
  const { input, sampling, isStream, session, kv, rid } = parseGenerate(fields);
  const id = rid ?? randomUUID();
  const ids = input.kind === "ids" ? input.ids : tokenizer.encodeText(input.text);
  // Who stores something begins a session by it, and nobody ever ends that but by name.
  if (session !== undefined && kv?.opensSession === true) sessions.open(session.id);
  const prompt = session === undefined ? ids : sessions.prompt(session, ids);
  return {
    job: { prompt, sampling, kv },
    isStream,
    form: generateForm({ ...answerer, id }, kv),
    finished: ({ outputIds: output }) => {
      if (session !== undefined) sessions.finished(session.id, id, { prompt, output });
    },
  };
}

/** Of `POST /v1/chat/completions`. Throws BadRequest. */
export function readChat(fields: JsonObject, options: AskedOptions): Asked {
  const { tokenizer, answerer, tellsUsage } = options;
  const asked = parseChat(fields);
  const usage = { ...asked.usage, isIncluded: asked.usage.isIncluded || tellsUsage };
  const request = { ...asked, usage };
  const { chat, sampling, isStream, kv, rid, model = answerer.model } = request;
  const id = rid ?? `chatcmpl-${randomUUID()}`;
  return {
    job: { prompt: tokenizer.encodeChat(chat), sampling, kv },
    isStream,
    form: chatForm({ ...answerer, model, id }, request),
    finished: () => {},
  };
}
