import { describe, expect, it } from "vitest";
import { usableTokens } from "../../../src/kv/model/load-rules.ts";

describe("usableTokens", () => {
  it("is whole pages", () => {
    const rules = { pageSize: 64, loadThreshold: 0 };

    expect([63, 64, 65, 127, 128].map((tokens) => usableTokens(tokens, rules))).toEqual([
      0, 64, 64, 64, 128,
    ]);
  });

  it("is nothing unless whole pages are above the threshold", () => {
    const rules = { pageSize: 64, loadThreshold: 256 };

    expect([256, 319, 320].map((tokens) => usableTokens(tokens, rules))).toEqual([0, 0, 320]);
  });

  it("is every token where the profile asks for neither", () => {
    const rules = { pageSize: 1, loadThreshold: 0 };

    expect([0, 1, 113, 213].map((tokens) => usableTokens(tokens, rules))).toEqual([0, 1, 113, 213]);
  });
});
