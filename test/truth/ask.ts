/** Sends a turn through Envoy and reads its answer: whole, or why not. */
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { type ClientResponse, send } from "../support/client.ts";
import type { TruthDialect, Turn } from "./turn.ts";

/** Pools of the bootstrap with several; each has all engines, and its own dialect. */
export const POOLS = {
  "sglang-session": "small",
  "sglang-explicit": "large",
} as const satisfies Record<TruthDialect, string>;

export type Asked = Whole | Broken;

export interface Whole {
  readonly kind: "whole";
  readonly text: string;
  readonly digest: string;
  /** Chats do not tell them. */
  readonly outputIds: readonly number[] | undefined;
  /** A stream of a chat does not tell them unless it is asked to. */
  readonly promptTokens: number | undefined;
  readonly cachedTokens: number;
  readonly engine: string;
  /** `x-moorline-kv`. */
  readonly kvStatus: string;
  /** It had members that clients must not see. */
  readonly hasOurs: boolean;
}

export interface Broken {
  readonly kind: "broken";
  /** `left` where the client went by itself; `malformed` is an end that no cut explains. */
  readonly how: "left" | "unanswered" | "cut" | "refused" | "malformed";
  readonly detail: string;
  /** `x-moorline-reason`. */
  readonly reason: string;
}

/** Before an engine answers, or when it does. */
const LEFT_AFTER_MS = 40;

/** Never rejects. */
export async function ask(url: string, turn: Turn): Promise<Asked> {
  const isLeft = turn.kind === "left";
  const question = {
    path: turn.form === "chat" ? "/v1/chat/completions" : "/generate",
    headers: headersOf(turn),
    body: spelled(turn, { ...bodyOf(turn), ...forged(turn) }),
  };
  if (isLeft && !turn.isStream) {
    await askAndLeave(url, question, (turn.prompt.length * 7) % LEFT_AFTER_MS);
    return broken("left");
  }
  try {
    const response = await send(url, { ...question, ...(isLeft && { onChunk: leave }) });
    return isLeft && !response.isComplete ? broken("left") : read(turn, response);
  } catch (reason) {
    return broken("unanswered", String(reason));
  }
}

interface Asking {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Whatever happens meanwhile. */
async function askAndLeave(url: string, question: Asking, afterMs: number): Promise<void> {
  const { path, headers, body } = question;
  const sent = request(new URL(path, url), { method: "POST", headers });
  sent.on("error", () => {}).on("response", (response) => response.on("error", () => {}).resume());
  sent.end(body);
  await pause(afterMs);
  sent.destroy();
}

/** Whoever reads a body and throws closes its connection. */
function leave(): never {
  throw new Error("the client has left");
}

function headersOf({ conversation, tenant, retentionClass, isFinal, dialect }: Turn) {
  return {
    "content-type": "application/json",
    "x-session-id": conversation,
    "x-tenant": tenant,
    "x-model": POOLS[dialect],
    "x-moorline-kv": "1",
    "x-moorline-class": retentionClass,
    ...(isFinal && { "x-session-final": "true" }),
  };
}

function bodyOf({ form, fields, isStream: stream, sampling }: Turn): object {
  const { maxNewTokens, ignoresEos: ignore_eos } = sampling;
  if (form !== "chat") {
    const sampling_params = { temperature: 0, max_new_tokens: maxNewTokens, ignore_eos };
    return { ...fields, stream, sampling_params };
  }
  const usage = stream && { stream_options: { include_usage: true } };
  return { ...fields, max_tokens: maxNewTokens, ignore_eos, temperature: 0, stream, ...usage };
}

/** There is one of that name, with bytes of its own. */
export const FORGED_FILE = "forged";
const segment = { token_start: 0, token_length: 64, kv_uri: `file:///${FORGED_FILE}`, kv_start: 0 };
const explicit = { id: "forged", stored_kvcache: [segment] };
const IN_GENERATE = [
  { session_params: { id: "forged", stored_kv_cache: [segment] } },
  { kvcache_params: explicit },
];
const IN_CHATS = { kv_transfer_params: { kvcache_params: explicit } };

function forged({ isForged, form, number }: Turn): object | undefined {
  if (!isForged) return undefined;
  return form === "chat" ? IN_CHATS : IN_GENERATE[number % IN_GENERATE.length];
}

function spelled({ spelling }: Turn, body: object): string {
  if (spelling === "indented") return JSON.stringify(body, undefined, 2);
  const text = JSON.stringify(body);
  if (spelling === "plain") return text;
  const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replaceAll(/[\u007f-\uffff]/g, escape);
}

function read(turn: Turn, response: ClientResponse): Asked {
  const { status, headers, isComplete, text } = response;
  const reason = headers["x-moorline-reason"] ?? "";
  if (!isComplete) return broken("cut", `status ${status}`, reason);
  if (status !== 200) return broken("refused", `status ${status}: ${text.slice(0, 200)}`, reason);
  const said = turn.isStream ? readEvents(turn, text) : readAnswer(turn, JSON.parse(text));
  if (said === undefined)
    return broken("malformed", `no whole answer: ${text.slice(-200)}`, reason);
  return {
    kind: "whole",
    ...said,
    engine: headers["x-engine"] ?? "",
    kvStatus: headers["x-moorline-kv"] ?? "",
    hasOurs: /kv_uri|kvcache_params|"session_params"/.test(text),
  };
}

type Said = Omit<Whole, "kind" | "engine" | "kvStatus" | "hasOurs">;

// oxlint-disable-next-line typescript/no-explicit-any -- JSON of an engine that is part of the test
type Json = any;

function readAnswer({ form }: Turn, answer: Json): Said {
  if (form === "chat") {
    const { choices, usage, logits_digest: digest } = answer;
    return { text: choices[0].message.content, digest, outputIds: undefined, ...usageOf(usage) };
  }
  const { text, output_ids: outputIds, meta_info: meta } = answer;
  return {
    text,
    digest: meta.logits_digest,
    outputIds,
    promptTokens: meta.prompt_tokens,
    cachedTokens: meta.cached_tokens,
  };
}

/** Undefined where the stream ended without its end. */
function readEvents(turn: Turn, text: string): Said | undefined {
  const data = text.split("\n\n").flatMap((event) => (event === "" ? [] : [event.slice(6)]));
  if (data.pop() !== "[DONE]") return undefined;
  const events: readonly Json[] = data.map((each) => JSON.parse(each));
  if (turn.form !== "chat") {
    const last = events.at(-1);
    return last?.meta_info?.logits_digest === undefined ? undefined : readAnswer(turn, last);
  }
  const digest = events.find((event) => event.logits_digest !== undefined)?.logits_digest;
  const usage = events.find((event) => event.usage)?.usage;
  if (digest === undefined || usage === undefined) return undefined;
  const deltas = events.map((event) => event.choices[0]?.delta?.content ?? "");
  return { text: deltas.join(""), digest, outputIds: undefined, ...usageOf(usage) };
}

function usageOf(usage: Json): Pick<Said, "promptTokens" | "cachedTokens"> {
  const { prompt_tokens: promptTokens, prompt_tokens_details: details } = usage;
  return { promptTokens, cachedTokens: details.cached_tokens };
}

function broken(how: Broken["how"], detail = "", reason = ""): Broken {
  return { kind: "broken", how, detail, reason };
}
