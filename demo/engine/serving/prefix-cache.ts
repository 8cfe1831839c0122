/**
 * The caches of earlier prompts and their answers, to go on from: of each new prompt the longest prefix that one of them holds is
 * copied. The budget is in tokens; the least recently used goes first. A cache that only repeats the start of another is dropped.
 *
 * Not a tree as in real engines: a shared prefix lies in memory once for each cache, which for a small model costs little, and a
 * cache stays one piece of memory.
 */
import type { KvCache } from "../model/kv-cache.ts";

export interface PrefixMatch {
  readonly cache: KvCache;
  readonly length: number;
}

export class PrefixCache {
  readonly #budgetTokens: number;
  /** Least recently used first. Some still grow while their answers are computed. */
  readonly #caches = new Set<KvCache>();

  constructor(budgetTokens: number) {
    this.#budgetTokens = budgetTokens;
  }

  get tokens(): number {
    let tokens = 0;
    for (const cache of this.#caches) tokens += cache.length;
    return tokens;
  }

  /** The cache that holds the most of the first tokens; undefined where none holds the first one. */
  match(tokens: readonly number[]): PrefixMatch | undefined {
    let best: PrefixMatch | undefined;
    for (const cache of this.#caches) {
      const length = commonPrefix(cache.tokens, tokens);
      if (length > (best?.length ?? 0)) best = { cache, length };
    }
    if (best !== undefined) this.#touch(best.cache);
    return best;
  }

  /** May come again with the same cache, once it has grown. It must not be truncated any more. */
  insert(cache: KvCache): void {
    const covered = [...this.#caches].filter(
      (other) =>
        other.length <= cache.length && commonPrefix(other.tokens, cache.tokens) === other.length,
    );
    for (const other of covered) this.#caches.delete(other);
    this.#touch(cache);
    let tokens = this.tokens;
    for (const oldest of this.#caches) {
      if (tokens <= this.#budgetTokens) return;
      this.#caches.delete(oldest);
      tokens -= oldest.length;
    }
  }

  clear(): void {
    this.#caches.clear();
  }

  #touch(cache: KvCache): void {
    this.#caches.delete(cache);
    this.#caches.add(cache);
  }
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a[length] === b[length]) length += 1;
  return length;
}
