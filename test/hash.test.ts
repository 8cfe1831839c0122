import { describe, expect, it } from "vitest";
import { createHash64 } from "../src/hash.ts";

const hash = await createHash64();

describe("hash64", () => {
  it("is XXH64 with seed 0, unsigned", () => {
    expect(hash("")).toBe(0xef46db3751d8e999n);
    expect(hash("abc")).toBe(0x44bc2cf5ad770999n);
  });

  it("hashes the UTF-8 bytes, also of text that outgrows the memory it started with", () => {
    const long = "ä".repeat(100_000);

    expect(hash("größe")).toBe(0xe6bebd6647f502a5n);
    expect(hash(long)).toBe(0x22586372f93d659bn);
    expect(hash("größe")).toBe(0xe6bebd6647f502a5n);
  });
});
