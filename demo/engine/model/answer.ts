/** One prompt answered from start to end, in one call: what every engine with the same model must answer, whatever it reused. */
import { LogitsDigest } from "./logits-digest.ts";
import { argmax } from "./model.ts";
import type { Model } from "./model.ts";
import type { KvCache } from "./kv-cache.ts";

export interface Question {
  readonly prompt: readonly number[];
  /** At least 1. */
  readonly maxNewTokens: number;
  /** An answer ends with the first of these, which is part of `ids`. None by default. */
  readonly stopIds?: readonly number[];
}

export interface Answer {
  readonly ids: readonly number[];
  /** Of the logits that each of the ids was taken from. */
  readonly digest: string;
}

/**
 * `cache` holds less than the whole prompt, from its first token, and nothing else. Afterwards it holds the prompt and all of the
 * answer but its last token, whose keys and values nobody computed.
 */
export function answer(
  model: Model,
  { prompt, maxNewTokens, stopIds = [] }: Question,
  cache: KvCache = model.newCache(),
): Answer {
  const digest = new LogitsDigest();
  const ids: number[] = [];
  let next = prompt.slice(cache.length);
  while (ids.length < maxNewTokens) {
    const logits = model.forward(cache, next);
    digest.add(logits);
    const id = argmax(logits, model.shape.spoken);
    ids.push(id);
    if (stopIds.includes(id)) break;
    next = [id];
  }
  return { ids, digest: digest.hex() };
}
