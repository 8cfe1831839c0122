/**
 * The trace has block numbers, engines read text: each block becomes words of its own, so that prompts that share their
 * first blocks share their first words, and no others. One word stands for 32 tokens of the trace.
 */
import type { TraceRequest } from "../trace/sessions.ts";

export const wordsPerBlock = 16;
const traceTokensPerBlock = 512;
const traceTokensPerWord = traceTokensPerBlock / wordsPerBlock;

export function promptText({ hash_ids: blocks, input_length: tokens }: TraceRequest): string {
  const words = blocks.flatMap((block) =>
    Array.from({ length: wordsPerBlock }, (_, index) => `${block.toString(36)}.${index}`),
  );
  return words.slice(0, Math.max(1, Math.ceil(tokens / traceTokensPerWord))).join(" ");
}

export function answerWords({ output_length: tokens }: TraceRequest): number {
  return Math.max(1, Math.ceil(tokens / traceTokensPerWord));
}
