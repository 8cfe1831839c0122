import { describe, expect, it } from "vitest";
import type { KvCache } from "../../../../demo/engine/model/kv-cache.ts";
import { PrefixCache } from "../../../../demo/engine/serving/prefix-cache.ts";
import { tinyOracle } from "../../../support/computing-engine.ts";

function cacheOf(...tokens: number[]): KvCache {
  const cache = tinyOracle.model.newCache();
  for (const token of tokens) cache.push(token);
  return cache;
}

describe("a prefix cache", () => {
  it("finds the cache with the most of a prompt", () => {
    const prefixes = new PrefixCache(100);
    const other = cacheOf(1, 2, 9, 9, 9);
    const best = cacheOf(1, 2, 3, 8);
    prefixes.insert(other);
    prefixes.insert(best);
    expect(prefixes.match([1, 2, 3, 4])).toEqual({ cache: best, length: 3 });
    expect(prefixes.match([1, 2, 9])).toEqual({ cache: other, length: 3 });
    expect(prefixes.match([7])).toBeUndefined();
  });

  it("drops what a longer cache repeats, and only that", () => {
    const prefixes = new PrefixCache(100);
    prefixes.insert(cacheOf(1, 2));
    prefixes.insert(cacheOf(1, 5));
    prefixes.insert(cacheOf(1, 2, 3));
    expect(prefixes.tokens).toBe(5);
    expect(prefixes.match([1, 5])?.length).toBe(2);
  });

  it("keeps to its budget, dropping the least recently used", () => {
    const prefixes = new PrefixCache(6);
    prefixes.insert(cacheOf(1, 1, 1));
    prefixes.insert(cacheOf(2, 2, 2));
    prefixes.match([1]);
    prefixes.insert(cacheOf(3, 3, 3));
    expect(prefixes.match([2])).toBeUndefined();
    expect(prefixes.match([1])?.length).toBe(1);
    expect(prefixes.tokens).toBe(6);
  });

  it("counts a cache that has grown since it came", () => {
    const prefixes = new PrefixCache(6);
    const growing = cacheOf(1, 1, 1);
    prefixes.insert(growing);
    prefixes.insert(cacheOf(2, 2));
    growing.push(1);
    growing.push(1);
    prefixes.insert(growing);
    expect(prefixes.tokens).toBe(5);
    expect(prefixes.match([2])).toBeUndefined();
  });

  it("holds nothing without a budget", () => {
    const prefixes = new PrefixCache(0);
    prefixes.insert(cacheOf(1));
    expect(prefixes.match([1])).toBeUndefined();
  });

  it("forgets everything when it is cleared", () => {
    const prefixes = new PrefixCache(10);
    prefixes.insert(cacheOf(1));
    prefixes.clear();
    expect([prefixes.tokens, prefixes.match([1])]).toEqual([0, undefined]);
  });
});
