import { describe, expect, it } from "vitest";
import { KvCache, kvBytesPerToken } from "../../../../demo/engine/model/kv-cache.ts";
import { SHAPES } from "../../../../demo/engine/model/shape.ts";

/** One byte-sized half for each layer and side, so that a segment can be read by eye. */
const shape = { ...SHAPES.tiny, layers: 2, kvHeads: 1, headDim: 4 };
const perToken = kvBytesPerToken(shape);

/** A segment whose halves are numbered from `first`. */
function segmentOf(tokens: number, first = 1): Uint8Array {
  const halves = Uint16Array.from({ length: (tokens * perToken) / 2 }, (_, at) => first + at);
  return new Uint8Array(halves.buffer);
}

function cacheOf(tokens: readonly number[]): KvCache {
  const cache = new KvCache(shape);
  cache.write(segmentOf(tokens.length), tokens);
  return cache;
}

describe("KvCache", () => {
  it("needs 2 sides x layers x heads x dimensions x bytes for a token", () => {
    expect(perToken).toBe(2 * 2 * 1 * 4 * 2);
    expect(kvBytesPerToken(SHAPES.tiny)).toBe(256);
    expect(kvBytesPerToken(SHAPES.small)).toBe(512);
    expect(kvBytesPerToken({ ...shape, dtype: "fp32" })).toBe(2 * perToken);
  });

  it("reads the keys of all layers, then the values, and in each layer token after token", () => {
    const halves = new Uint16Array(cacheOf([7, 8, 9]).read(1, 1).buffer);
    expect(Array.from(halves)).toEqual(
      [5, 17, 29, 41].flatMap((first) => [first, first + 1, first + 2, first + 3]),
    );
  });

  it("appends segments, and reads across where they met", () => {
    const cache = cacheOf([7, 8]);
    cache.write(segmentOf(1, 200), [9]);
    expect(cache.tokens).toEqual([7, 8, 9]);
    const halves = new Uint16Array(cache.read(1, 2).buffer);
    expect(Array.from(halves.subarray(0, 8))).toEqual([5, 6, 7, 8, 200, 201, 202, 203]);
  });

  it("takes a segment from anywhere in a larger buffer", () => {
    const buffer = new Uint8Array(perToken + 3);
    buffer.set(segmentOf(1), 3);
    const cache = new KvCache(shape);
    cache.write(buffer.subarray(3), [7]);
    expect(cache.read(0, 1)).toEqual(segmentOf(1));
  });

  it("refuses a segment that is a byte too short or too long, and stays as it was", () => {
    const cache = cacheOf([7]);
    for (const length of [perToken - 1, perToken + 1]) {
      expect(() => cache.write(new Uint8Array(length), [8])).toThrow(`has ${perToken} bytes, not`);
    }
    expect(cache.read(0, cache.length)).toEqual(segmentOf(1));
  });

  it("keeps what it has when it grows", () => {
    const cache = cacheOf([7]);
    const before = cache.sizeBytes;
    cache.write(
      segmentOf(500),
      Array.from({ length: 500 }, (_, at) => at),
    );
    expect(cache.read(0, 1)).toEqual(segmentOf(1));
    expect(cache.read(1, 500)).toEqual(segmentOf(500));
    expect(cache.sizeBytes).toBeGreaterThan(before);
  });

  it("forgets what is truncated, and takes other tokens there", () => {
    const cache = cacheOf([7, 8, 9]);
    cache.truncate(1);
    expect(() => cache.read(1, 1)).toThrow("tokens [1, 2) of 1");
    cache.write(segmentOf(1, 300), [4]);
    expect(cache.tokens).toEqual([7, 4]);
  });

  it("shares nothing with the copy of its prefix", () => {
    const cache = cacheOf([7, 8, 9]);
    const copy = cache.copyOfPrefix(2);
    const before = cache.read(0, 3);
    copy.truncate(0);
    copy.write(segmentOf(2, 500), [1, 2]);
    expect(cache.read(0, 3)).toEqual(before);
    expect(cache.tokens).toEqual([7, 8, 9]);
  });

  it("has nothing beyond its length", () => {
    const cache = cacheOf([7, 8, 9]);
    expect(() => cache.read(2, 2)).toThrow("tokens [2, 4) of 3");
    expect(() => cache.read(-1, 2)).toThrow("tokens [-1, 1) of 3");
    expect(() => cache.truncate(4)).toThrow("tokens [0, 4) of 3");
    expect(() => cache.copyOfPrefix(4)).toThrow("tokens [0, 4) of 3");
    expect(cache.read(3, 0)).toHaveLength(0);
  });
});
