/** One streamed request to an engine's native path, and what its answer tells. */
export interface Ask {
  readonly url: string;
  /** None where no Moorline is asked. */
  readonly sessionId?: string;
  readonly prompt: string;
  readonly signal: AbortSignal;
  /** Called with the first event of the answer. */
  readonly onFirstToken?: (engine: string) => void;
}

export interface Answer {
  readonly text: string;
  /** Of all logits that it was taken from. */
  readonly digest: string;
  readonly engine: string;
  readonly promptTokens: number;
  /** Of the prompt, those that the engine had or loaded. */
  readonly cachedTokens: number;
  readonly firstTokenMs: number;
}

export const sampling = { maxNewTokens: 48, ignoresEos: true } as const;
const lastEvent = "data: [DONE]";

/** Undefined where the answer is cut before its end. Rejects where none begins. */
export async function ask(request: Ask): Promise<Answer | undefined> {
  const { url, sessionId, prompt, signal, onFirstToken } = request;
  const startMs = performance.now();
  const response = await fetch(`${url}/generate`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(sessionId !== undefined && { "x-session-id": sessionId }),
    },
    body: JSON.stringify({
      text: prompt,
      stream: true,
      sampling_params: {
        max_new_tokens: sampling.maxNewTokens,
        ignore_eos: sampling.ignoresEos,
      },
    }),
    signal,
  });
  if (!response.ok || response.body === null) {
    throw new Error(`status ${response.status}: ${await response.text()}`);
  }
  const engine = response.headers.get("x-engine") ?? "";
  let firstTokenMs: number | undefined;
  let events = "";
  try {
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      if (firstTokenMs === undefined) onFirstToken?.(engine);
      firstTokenMs ??= performance.now() - startMs;
      events += chunk;
    }
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  const last = readLast(events);
  if (last === undefined || firstTokenMs === undefined) return undefined;
  const { prompt_tokens: promptTokens, cached_tokens: cachedTokens } = last.meta_info;
  const { logits_digest: digest } = last.meta_info;
  return { text: last.text, digest, engine, promptTokens, cachedTokens, firstTokenMs };
}

/** Each event says everything again that is known so far; undefined where the last one did not come. */
function readLast(events: string): GenerateEvent | undefined {
  const [last, end] = events.trimEnd().split("\n\n").slice(-2);
  if (last === undefined || end !== lastEvent) return undefined;
  return JSON.parse(last.slice("data: ".length)) as GenerateEvent;
}

interface GenerateEvent {
  readonly text: string;
  readonly meta_info: {
    readonly prompt_tokens: number;
    readonly cached_tokens: number;
    readonly logits_digest: string;
  };
}
