import { describe, expect, it } from "vitest";
import { nameBlocks, PrefixCache } from "../../../demo/simulated-engine/prefix-cache.ts";

describe("nameBlocks", () => {
  it("names whole blocks only", () => {
    expect(nameBlocks(["a", "b", "c", "d", "e"], 2)).toHaveLength(2);
  });

  it("gives prompts that begin alike the same names up to where they part", () => {
    const [first, second] = nameBlocks(["a", "b", "c", "d"], 2);
    const other = nameBlocks(["a", "b", "c", "x"], 2);
    expect(other[0]).toBe(first);
    expect(other[1]).not.toBe(second);
  });

  it("names the same tokens differently after another beginning", () => {
    expect(nameBlocks(["x", "b", "c", "d"], 2)[1]).not.toBe(nameBlocks(["a", "b", "c", "d"], 2)[1]);
  });
});

describe("PrefixCache", () => {
  it("finds the leading blocks that it holds, up to the first that is missing", () => {
    const cache = new PrefixCache(10);
    cache.insert(["1", "2"]);
    cache.insert(["4"]);
    expect(cache.match(["1", "2", "3", "4"])).toBe(2);
  });

  it("never holds more than its budget", () => {
    const cache = new PrefixCache(3);
    cache.insert(["1", "2", "3", "4", "5"]);
    cache.insert(["6"]);
    expect(cache.size).toBe(3);
  });

  it("drops the last block of a prompt before its first", () => {
    const cache = new PrefixCache(3);
    cache.insert(["1", "2", "3"]);
    cache.insert(["9"]);
    expect(cache.match(["1", "2", "3"])).toBe(2);
  });

  it("drops the prompt that was not used for longest", () => {
    const cache = new PrefixCache(2);
    cache.insert(["1"]);
    cache.insert(["2"]);
    cache.match(["1"]);
    cache.insert(["3"]);
    expect([cache.match(["1"]), cache.match(["2"])]).toEqual([1, 0]);
  });

  it("is empty after a clear", () => {
    const cache = new PrefixCache(2);
    cache.insert(["1"]);
    cache.clear();
    expect(cache.match(["1"])).toBe(0);
  });
});
