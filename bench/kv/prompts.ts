/** Prompts as a service for conversations meets them: log-normal lengths, with a median of 8,192 tokens and one in ten above 38,000. */
import type { TokenSequence } from "../../src/kv/turns/token-sequence.ts";

export const PROMPT_LIMIT = 131_072;
/** A turn's, in a session that is there. */
export interface Prompt {
  readonly session: string;
  readonly ids: Uint32Array;
  /** All but its end. */
  readonly isStored: boolean;
}

const SHORTEST = 256;
const MEDIAN = 8_192;
const SPREAD = 1.2;
const VOCABULARY = 150_000;

/** The same numbers in [0, 1) for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function promptLength(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const length = Math.round(MEDIAN * Math.exp(SPREAD * normal));
  return Math.min(PROMPT_LIMIT, Math.max(SHORTEST, length));
}

/** The beginning of a conversation that never ends; no two seeds agree in their first tokens. */
export function tokensOf(seed: number, length: number): Uint32Array {
  const random = randomOf(seed);
  return Uint32Array.from({ length }, () => Math.floor(random() * VOCABULARY));
}

export function sequenceOf(ids: ArrayLike<number>): TokenSequence {
  return { kind: "engine", context: {}, grid: [], ids };
}

/** Where the parts of `turns` turns end, prompt and answer of each, all whole pages; the last at about `length`. */
export function partEnds(length: number, { turns, pageSize }: Conversation): number[] {
  const parts = 2 * turns;
  return Array.from({ length: parts }, (_, part) => {
    const end = Math.floor((length * (part + 1)) / parts / pageSize) * pageSize;
    return Math.max(end, (part + 1) * pageSize);
  });
}

export interface Conversation {
  readonly turns: number;
  readonly pageSize: number;
}
