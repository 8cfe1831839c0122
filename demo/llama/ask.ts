/** One streamed request to llama-server's native path, and what its answer tells. */
import { OWN_CONNECTION } from "./slots.ts";

export interface LlamaAsk {
  /** Of a server, or of Envoy. */
  readonly url: string;
  /** None where no Moorline is asked. */
  readonly sessionId?: string;
  readonly prompt: string;
  /** 24 unless given. */
  readonly tokens?: number;
  /** More of the body. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  readonly onFirstToken?: () => void;
}

export interface LlamaAnswer {
  readonly text: string;
  readonly slot: number;
  /** Of the prompt, those that were in the slot. */
  readonly cachedTokens: number;
  /** Of the prompt, those that were not. */
  readonly computedTokens: number;
  readonly firstTokenMs: number;
  /** `x-moorline-kv`; empty where no Moorline is asked. */
  readonly kvStatus: string;
}

/** What is said after a prompt depends on nothing else then. */
const GREEDY = { temperature: 0, ignore_eos: true, stream: true, cache_prompt: true };
/** What a fresh server would compute: nothing that is in a slot is used. */
export const FRESH = { cache_prompt: false } as const;

export class LlamaAnswerCut extends Error {
  override readonly name = "LlamaAnswerCut";
}

/** Rejects with `LlamaAnswerCut` where the answer ends before its end. */
export async function askLlama(ask: LlamaAsk): Promise<LlamaAnswer> {
  const { url, sessionId, prompt, tokens = 24, fields, signal, onFirstToken } = ask;
  const startMs = performance.now();
  const response = await fetch(`${url}/completion`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...OWN_CONNECTION,
      "x-moorline-kv": "1",
      ...(sessionId !== undefined && { "x-session-id": sessionId }),
    },
    body: JSON.stringify({ ...GREEDY, prompt, n_predict: tokens, ...fields }),
    ...(signal && { signal }),
  });
  if (!response.ok || response.body === null)
    throw new Error(`status ${response.status}: ${await response.text()}`);
  let firstTokenMs: number | undefined;
  let events = "";
  try {
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      if (firstTokenMs === undefined) onFirstToken?.();
      firstTokenMs ??= performance.now() - startMs;
      events += chunk;
    }
  } catch (reason) {
    signal?.throwIfAborted();
    throw new LlamaAnswerCut("the answer was cut", { cause: reason });
  }
  const said = readEvents(events);
  const last = said.at(-1);
  if (last?.timings === undefined || firstTokenMs === undefined)
    throw new LlamaAnswerCut("the answer has no end");
  return {
    text: said.map(({ content }) => content ?? "").join(""),
    slot: last.id_slot ?? -1,
    cachedTokens: last.timings.cache_n,
    computedTokens: last.timings.prompt_n,
    firstTokenMs,
    kvStatus: response.headers.get("x-moorline-kv") ?? "",
  };
}

interface CompletionEvent {
  readonly content?: string;
  readonly id_slot?: number;
  /** In the last one. */
  readonly timings?: { readonly cache_n: number; readonly prompt_n: number };
}

function readEvents(events: string): readonly CompletionEvent[] {
  const whole = events.split("\n\n").slice(0, -1);
  return whole
    .filter((event) => event.startsWith("data: "))
    .map((event) => JSON.parse(event.slice("data: ".length)) as CompletionEvent);
}
