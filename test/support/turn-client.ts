/** Turns as a client sends them, in both protocols and both forms, and what an engine answers that has computed everything itself. */
import { freshAnswer } from "../../demo/engine/oracle.ts";
import type { ChatMessage } from "../../demo/engine/tokenizer/engine-tokenizer.ts";
import { send, type ClientRequest, type ClientResponse } from "./client.ts";
import { tinyOracle } from "./computing-engine.ts";

export type TurnPrompt =
  | { readonly text: string }
  | { readonly ids: readonly number[] }
  | { readonly messages: readonly ChatMessage[] };

export interface Turn {
  readonly session: string;
  readonly prompt: TurnPrompt;
  readonly newTokens: number;
  /** As server-sent events. */
  readonly isStream?: boolean;
  /** More of the body. */
  readonly fields?: object;
  /** More of the request. */
  readonly request?: Partial<ClientRequest>;
}

/** What the client may know of it. */
export interface TurnAnswer {
  readonly response: ClientResponse;
  /** `x-moorline-kv`. */
  readonly kv: string | undefined;
  /** Who answered. */
  readonly engine: string;
  readonly text: string;
  readonly digest: string;
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

export async function askTurn(url: string, turn: Turn): Promise<TurnAnswer> {
  const { session, request } = turn;
  const response = await send(url, {
    path: pathOf(turn.prompt),
    body: bodyOf(turn),
    ...request,
    headers: { "x-session-id": session, "x-moorline-kv": "1", ...request?.headers },
  });
  const { headers, status, text } = response;
  if (status !== 200 || !response.isComplete)
    throw new Error(`a turn of ${session}: ${status} ${text}`);
  return {
    response,
    kv: headers["x-moorline-kv"],
    engine: headers["x-engine"] ?? "",
    ...readAnswer(response),
  };
}

export function pathOf(prompt: TurnPrompt): string {
  return "messages" in prompt ? "/v1/chat/completions" : "/generate";
}

/** Answers go on to their last token, so that two of them are equally long. */
export function bodyOf({ prompt, newTokens, isStream = false, fields }: Turn): object {
  const stream = isStream ? { stream: true } : {};
  if ("messages" in prompt) {
    const usage = isStream ? { stream_options: { include_usage: true } } : {};
    const limit = { max_tokens: newTokens, ignore_eos: true };
    return { messages: prompt.messages, ...limit, ...stream, ...usage, ...fields };
  }
  const input = "text" in prompt ? { text: prompt.text } : { input_ids: prompt.ids };
  const sampling = { max_new_tokens: newTokens, ignore_eos: true };
  return { ...input, sampling_params: sampling, ...stream, ...fields };
}

export function idsOf(prompt: TurnPrompt): readonly number[] {
  const { tokenizer } = tinyOracle;
  if ("ids" in prompt) return prompt.ids;
  return "text" in prompt
    ? tokenizer.encodeText(prompt.text)
    : tokenizer.encodeChat({ messages: prompt.messages });
}

/** Of an engine that has computed everything itself. */
export function freshTurn({ prompt, newTokens }: Pick<Turn, "prompt" | "newTokens">) {
  const ids = idsOf(prompt);
  const answer = freshAnswer(tinyOracle, ids, { maxNewTokens: newTokens, ignoresEos: true });
  return {
    text: answer.text,
    digest: answer.digest,
    promptTokens: ids.length,
    outputIds: answer.ids,
  };
}

/** With how many tokens both begin. */
export function sharedTokens(one: readonly number[], other: readonly number[]): number {
  const differs = one.findIndex((id, at) => id !== other[at]);
  return differs < 0 ? one.length : differs;
}

/** What is read of an answer, or of one of its events. */
export interface AnswerData {
  readonly text?: string;
  readonly meta_info?: Readonly<Record<string, unknown>>;
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string };
    readonly message?: { readonly content?: string };
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens: number };
  };
  readonly logits_digest?: string;
}

/** The data of each event but the last, `[DONE]`. */
export function eventsOf({ text }: Pick<ClientResponse, "text">): readonly AnswerData[] {
  const data = text.split("\n\n").flatMap((event) => /^data: (.*)$/s.exec(event)?.[1] ?? []);
  if (data.pop() !== "[DONE]") throw new Error(`no end of events: ${text.slice(-200)}`);
  return data.map((each) => JSON.parse(each) as AnswerData);
}

function readAnswer(response: ClientResponse) {
  const isStream = response.headers["content-type"]?.startsWith("text/event-stream") === true;
  const parts = isStream ? eventsOf(response) : [JSON.parse(response.text) as AnswerData];
  const { text, meta_info: meta, usage } = parts.at(-1) ?? {};
  if (meta !== undefined) {
    return {
      text: text ?? "",
      digest: String(meta["logits_digest"]),
      promptTokens: Number(meta["prompt_tokens"]),
      cachedTokens: Number(meta["cached_tokens"]),
    };
  }
  const choices = parts.flatMap((part) => part.choices ?? []);
  return {
    text: choices.map(({ delta, message }) => (delta ?? message)?.content ?? "").join(""),
    digest: parts.find((part) => part.logits_digest !== undefined)?.logits_digest ?? "",
    promptTokens: usage?.prompt_tokens ?? 0,
    cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
  };
}
