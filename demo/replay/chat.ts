/** One streamed chat request, as a client of an OpenAI-compatible service sends it, with what the demo measures of it. */
import { Agent, request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline";

export interface ChatRequest {
  readonly url: string;
  readonly sessionId: string | undefined;
  readonly text: string;
  readonly maxTokens: number;
  readonly signal: AbortSignal;
}

export type ChatResult = ChatAnswer | { readonly failure: string };

export interface ChatAnswer {
  readonly failure?: undefined;
  /** What the response named; absent on a route without Moorline. */
  readonly sessionId: string | undefined;
  readonly engine: string;
  readonly firstTokenMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

const deadlineMs = 30_000;
const agent = new Agent({ keepAlive: true });

/** Never rejects: a failure is a result here. An answer that stops before its end mark is a failure. */
export async function chat(request: ChatRequest): Promise<ChatResult> {
  const startMs = performance.now();
  try {
    const response = await post(request);
    if (response.statusCode !== 200) {
      response.resume();
      return { failure: `status ${response.statusCode}` };
    }
    return await readAnswer(response, startMs);
  } catch (reason) {
    return { failure: reason instanceof Error ? reason.message : String(reason) };
  }
}

async function post(request: ChatRequest): Promise<IncomingMessage> {
  const { url, sessionId, text, maxTokens } = request;
  const messages = [{ role: "user", content: text }];
  const body = JSON.stringify({ messages, max_tokens: maxTokens, stream: true });
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...(sessionId === undefined ? {} : { "x-session-id": sessionId }),
  };
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(deadlineMs)]);
  return new Promise((resolve, reject) => {
    const options = { method: "POST", agent, headers, signal };
    httpRequest(`${url}/v1/chat/completions`, options, resolve).on("error", reject).end(body);
  });
}

async function readAnswer(response: IncomingMessage, startMs: number): Promise<ChatResult> {
  let firstTokenMs: number | undefined;
  let usage: Usage | undefined;
  for await (const line of createInterface({ input: response })) {
    if (!line.startsWith("data: ")) continue;
    firstTokenMs ??= performance.now() - startMs;
    if (line !== "data: [DONE]") usage ??= (JSON.parse(line.slice(6)) as { usage?: Usage }).usage;
  }
  if (firstTokenMs === undefined || usage === undefined) return { failure: "cut in mid-answer" };
  return {
    sessionId: response.headers["x-session-id"]?.toString(),
    engine: response.headers["x-engine"]?.toString() ?? "unknown",
    firstTokenMs,
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details.cached_tokens,
  };
}

interface Usage {
  readonly prompt_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}
