/**
 * What every engine with this model must answer to a prompt, whatever it reused: computed from nothing, in this process, with no
 * engine. For tests; it holds the event loop until it is done.
 */
import { answer } from "./model/answer.ts";
import type { Model } from "./model/model.ts";
import type { Sampling } from "./protocol/sampling.ts";
import { answerText } from "./serving/answer-text.ts";
import { STOP_IDS } from "./tokenizer/engine-tokenizer.ts";
import type { EngineTokenizer } from "./tokenizer/engine-tokenizer.ts";

export interface Oracle {
  readonly model: Model;
  readonly tokenizer: EngineTokenizer;
}

export interface FreshAnswer {
  readonly ids: readonly number[];
  readonly text: string;
  readonly digest: string;
}

export function freshAnswer(
  { model, tokenizer }: Oracle,
  prompt: readonly number[],
  { maxNewTokens, ignoresEos }: Sampling,
): FreshAnswer {
  const stopIds = ignoresEos ? [] : STOP_IDS;
  const { ids, digest } = answer(model, { prompt, maxNewTokens, stopIds });
  return { ids, text: answerText(tokenizer, ids), digest };
}
