import type { EngineTokenizer } from "../tokenizer/engine-tokenizer.ts";

/** The text of an answer so far. A last character of which only some bytes are there waits for the others. */
export function answerText(tokenizer: EngineTokenizer, ids: readonly number[]): string {
  return tokenizer.decode(ids).replace(/\uFFFD+$/, "");
}
