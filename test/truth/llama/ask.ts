/** Sends a turn through Envoy and reads its answer: whole, or why not. */
import { type ClientResponse, send } from "../../support/client.ts";
import { type LlamaTurn, textOf } from "./turn.ts";

export type Asked = Whole | Broken;

export interface Whole {
  readonly kind: "whole";
  readonly text: string;
  /** Of the prompt, those that the server had or was restored. */
  readonly cachedTokens: number;
  readonly promptTokens: number;
  /** `x-moorline-kv`. */
  readonly kvStatus: string;
}

export interface Broken {
  readonly kind: "broken";
  /** `left` where the client went by itself; `malformed` is an end that no cut explains. */
  readonly how: "left" | "unanswered" | "cut" | "refused" | "malformed";
  readonly detail: string;
}

const PATHS = {
  completion: "/completion",
  v1_completions: "/v1/completions",
  chat: "/v1/chat/completions",
} as const;

/** Never rejects. */
export async function ask(url: string, turn: LlamaTurn): Promise<Asked> {
  const isLeft = turn.kind === "left";
  const headers = {
    "content-type": "application/json",
    "x-session-id": turn.conversation,
    "x-moorline-kv": "1",
  };
  const question = { path: PATHS[turn.form], headers, body: bodyOf(turn) };
  try {
    const response = await send(url, { ...question, ...(isLeft && { onChunk: leave }) });
    return isLeft && !response.isComplete ? broken("left") : read(turn, response);
  } catch (reason) {
    return broken("unanswered", String(reason));
  }
}

/** Whoever reads a body and throws closes its connection. */
function leave(): never {
  throw new Error("the client has left");
}

function bodyOf(turn: LlamaTurn): object {
  const sampling = { temperature: 0, ignore_eos: true, stream: turn.isStream };
  switch (turn.form) {
    case "completion":
      return { prompt: textOf(turn), n_predict: turn.tokens, ...sampling };
    case "v1_completions":
      return { prompt: textOf(turn), max_tokens: turn.tokens, ...sampling };
    case "chat":
      return { messages: turn.entries, max_tokens: turn.tokens, ...sampling };
  }
}

function read(turn: LlamaTurn, { status, headers, isComplete, text }: ClientResponse): Asked {
  if (!isComplete) return broken("cut", `status ${status}`);
  const reason = headers["x-moorline-reason"] ?? "";
  if (status !== 200) return broken("refused", `status ${status} ${reason}: ${text.slice(0, 200)}`);
  const parts = turn.isStream ? readEvents(text) : [JSON.parse(text) as Part];
  const timings = parts.findLast((part) => part.timings !== undefined)?.timings;
  if (timings === undefined) return broken("malformed", `no whole answer: ${text.slice(-200)}`);
  return {
    kind: "whole",
    text: parts.map(saidIn).join(""),
    cachedTokens: timings.cache_n,
    promptTokens: timings.cache_n + timings.prompt_n,
    kvStatus: headers["x-moorline-kv"] ?? "",
  };
}

/** Of an answer, or an event of one; which members it has depends on the path. */
interface Part {
  readonly content?: string;
  readonly choices?: readonly {
    readonly text?: string;
    readonly message?: { readonly content?: string };
    readonly delta?: { readonly content?: string | null };
  }[];
  readonly timings?: { readonly cache_n: number; readonly prompt_n: number };
}

function readEvents(text: string): readonly Part[] {
  return text.split("\n\n").flatMap((event) => {
    const data = event.startsWith("data: ") ? event.slice("data: ".length) : "[DONE]";
    return data === "[DONE]" ? [] : [JSON.parse(data) as Part];
  });
}

function saidIn({ content, choices: [choice] = [] }: Part): string {
  return content ?? choice?.text ?? choice?.message?.content ?? choice?.delta?.content ?? "";
}

function broken(how: Broken["how"], detail = ""): Broken {
  return { kind: "broken", how, detail };
}
