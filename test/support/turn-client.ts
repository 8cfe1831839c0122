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
  if (status !== 200 || !response.isComplete) throw new Error(`a turn of ${session}: ${status} ${text}`);
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
  return { text: answer.text, digest: answer.digest, promptTokens: ids.length, outputIds: answer.ids };
}

/** What the turns have in common, in whole pages. */
export function sharedTokens(one: readonly number[], other: readonly number[], page: number): number {
  const differs = one.findIndex((id, at) => id !== other[at]);
  const shared = differs < 0 ? one.length : differs;
  return shared - (shared % page);
}

/** The data of each event but the last, `[DONE]`. */
export function eventsOf({ text }: Pick<ClientResponse, "text">): readonly any[] {
  const data = text.split("\n\n").flatMap((event) => /^data: (.*)$/s.exec(event)?.[1] ?? []);
  if (data.pop() !== "[DONE]") throw new Error(`no end of events: ${text.slice(-200)}`);
  return data.map((each) => JSON.parse(each));
}

interface Generated {
  readonly text: string;
  readonly meta_info: Record<string, unknown>;
}

function readAnswer(response: ClientResponse) {
  const isStream = response.headers["content-type"]?.startsWith("text/event-stream") === true;
  const parts = isStream ? eventsOf(response) : [JSON.parse(response.text)];
  const last = parts.at(-1);
  if (last.meta_info !== undefined) return readGenerated(last);
  const { usage } = last;
  const choices = parts.flatMap((part) => part.choices);
  const texts = choices.map((choice) => (choice.delta ?? choice.message).content ?? "");
  return {
    text: texts.join(""),
    digest: parts.find((part) => part.logits_digest !== undefined)?.logits_digest,
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

function readGenerated({ text, meta_info: meta }: Generated) {
  return {
    text,
    digest: String(meta["logits_digest"]),
    promptTokens: Number(meta["prompt_tokens"]),
    cachedTokens: Number(meta["cached_tokens"]),
  };
}
