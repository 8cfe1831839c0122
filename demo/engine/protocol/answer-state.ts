/** How far an answer is; what both protocols tell of it. */
import type { KvSegment } from "./kv-segments.ts";

export interface AnswerState {
  /** Without a character of which only some bytes are there, and without what only ends the answer. */
  readonly text: string;
  readonly outputIds: readonly number[];
  readonly usage: Usage;
  /** With the last token. */
  readonly finish: Finish | undefined;
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export interface Finish {
  readonly reason: FinishReason;
  /** Of all logits that the answer was taken from. */
  readonly digest: string;
  /** What is about to be stored, with lengths in bytes. */
  readonly saved: readonly KvSegment[];
  /** Seconds since the request came. */
  readonly latency: number;
}

export type FinishReason =
  | { readonly type: "length"; readonly length: number }
  | { readonly type: "stop"; readonly matched: number };

/** Who answers. */
export interface Answerer {
  /** Of the request. */
  readonly id: string;
  readonly model: string;
  readonly engine: string;
  readonly weightVersion: string;
  /** Seconds since 1970. */
  readonly created: number;
}

/** `meta_info`, with `logits_digest` beside what SGLang has there. */
export function metaInfo(answerer: Answerer, { usage, finish }: AnswerState): object {
  return {
    id: answerer.id,
    finish_reason: finish?.reason ?? null,
    prompt_tokens: usage.promptTokens,
    weight_version: answerer.weightVersion,
    completion_tokens: usage.completionTokens,
    cached_tokens: usage.cachedTokens,
    ...(finish && { e2e_latency: finish.latency, logits_digest: finish.digest }),
  };
}

/** One answer, as one protocol has it. */
export interface AnswerForm {
  /** Without a stream: of the last state. */
  whole(state: AnswerState): object;
  /** What a stream begins with. */
  start(): string;
  /** The events of each state in turn; with the last one, all that closes the stream. */
  events(state: AnswerState): string;
}

/** A server-sent event. */
export function formatEvent(payload: object): string {
  return `data: ${JSON.stringify(payload)}\n\n`;
}

export const LAST_EVENT = "data: [DONE]\n\n";
