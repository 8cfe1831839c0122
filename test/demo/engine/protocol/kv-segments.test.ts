import { describe, expect, it } from "vitest";
import {
  assertAdjacent,
  formatSegment,
  parseSegments,
} from "../../../../demo/engine/protocol/kv-segments.ts";

const first = { token_start: 0, token_length: 113, kv_uri: "file:///session-1", kv_start: 0 };
const second = {
  token_start: 113,
  token_length: 100,
  kv_uri: "file:///session-1",
  kv_start: 16_662_528,
};

describe("a list of segments", () => {
  it("may come in any order, and with members that nobody knows", () => {
    const segments = parseSegments([second, { ...first, colour: "red" }], "stored_kv_cache");
    expect(segments.map(formatSegment)).toEqual([
      { ...first, kv_length: null },
      { ...second, kv_length: null },
    ]);
  });

  it.each([undefined, null, []])("is empty where it is %j", (list) => {
    expect(parseSegments(list, "stored_kv_cache")).toEqual([]);
  });

  it("is refused with a gap, telling where", () => {
    const list = [first, { ...second, token_start: 114 }];
    expect(() => parseSegments(list, "stored_kv_cache")).toThrow(
      "Segments are not contiguous at index 1: ...[0, 113], [114, 214]...",
    );
  });

  it("is refused with an overlap", () => {
    const list = [first, { ...second, token_start: 112 }];
    expect(() => parseSegments(list, "stored_kv_cache")).toThrow("not contiguous at index 1");
  });

  it.each(["token_start", "token_length", "kv_uri", "kv_start"])(
    "is refused without %s",
    (name) => {
      const { [name]: _, ...rest } = { ...first } as Record<string, unknown>;
      expect(() => parseSegments([rest], "stored_kv_cache")).toThrow(
        `Missing required fields in segment: ${name}. Required fields: token_start, token_length, kv_uri, kv_start`,
      );
    },
  );

  it.each([
    [{ token_start: -1 }, "token_start must be a non-negative integer, got -1"],
    [{ token_start: 1.5 }, "token_start must be a non-negative integer, got 1.5"],
    [{ token_length: 0 }, "token_length must be a positive integer, got 0"],
    [{ kv_start: "0x" }, "kv_start must be a non-negative integer, got 0x"],
    [{ kv_length: 0 }, "kv_length must be a positive integer, got 0"],
    [{ kv_uri: 7 }, "kv_uri must be a string"],
  ])("is refused with %j", (change, message) => {
    expect(() => parseSegments([{ ...first, ...change }], "x")).toThrow(message);
  });

  it.each([[{}], ["x"], [[7]]])("is refused as %j", (list) => {
    expect(() => parseSegments(list, "stored_kv_cache")).toThrow(/must be/);
  });
});

describe("what is stored", () => {
  const stored = parseSegments([first], "stored_kv_cache");
  const fresh = parseSegments([second], "fresh_kv_cache");

  it("ends where what is to be stored starts", () => {
    expect(() => assertAdjacent(stored, fresh)).not.toThrow();
    expect(() => assertAdjacent(fresh, stored)).toThrow(
      "KV cache segments are not contiguous: old ends at token 213, but new starts at token 0",
    );
  });

  it("may be all there is, or nothing", () => {
    expect(() => assertAdjacent(fresh, [])).not.toThrow();
    expect(() => assertAdjacent([], fresh)).not.toThrow();
  });
});
