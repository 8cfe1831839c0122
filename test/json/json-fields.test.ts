import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  compileFieldPaths,
  JSON_DEPTH_LIMIT,
  JSON_VALUE_LIMIT_BYTES,
  scanJsonFields,
} from "../../src/json/json-fields.ts";

const encoder = new TextEncoder();

function scan(body: string, ...paths: string[]) {
  return scanJsonFields(encoder.encode(body), compileFieldPaths(paths));
}

function found(...values: (string | undefined)[]) {
  return { kind: "fields", values };
}

describe("a wanted field", () => {
  it("is found at the root and below [R8]", () => {
    const body = `{"model": "m", "session_params": {"rid": null, "id": "s1"}, "messages": [{"id": "no"}]}`;

    expect(scan(body, "session_params.id", "model")).toEqual(found("s1", "m"));
  });

  it("is found after a long prompt with escapes and every plane of Unicode", () => {
    const prompt = JSON.stringify('say "hi" \\ \n é € 😀 '.repeat(5_000));

    expect(
      scan(`{"messages":[{"content":${prompt}}],"prompt_cache_key":"k"}`, "prompt_cache_key"),
    ).toEqual(found("k"));
  });

  it.each([
    ["missing", "{}"],
    ["null", `{"id":null}`],
    ["a number", `{"id":17}`],
    ["a boolean", `{"id":true}`],
    ["an array", `{"id":["s1"]}`],
    ["an object", `{"id":{"id":"s1"}}`],
    ["below an array", `{"a":[{"id":"s1"}]}`],
  ])("is absent when it is %s [R10]", (_claim, body) => {
    expect(scan(body, "id")).toEqual(found(undefined));
  });

  it("is the empty string when it is empty [R10]", () => {
    expect(scan(`{"id":""}`, "id")).toEqual(found(""));
  });

  it("is absent where the path runs into something that is no object", () => {
    expect(
      scan(`{"a":"s1","b":[{"id":"s1"}],"c":{"d":{"id":"s1"}}}`, "a.id", "b.id", "c.id"),
    ).toEqual(found(undefined, undefined, undefined));
  });

  it("may lie on the way to another one, and may be named twice", () => {
    expect(scan(`{"a":{"x":"1"}}`, "a", "a.x", "a.x")).toEqual(found(undefined, "1", "1"));
    expect(scan(`{"a":"2"}`, "a", "a.x")).toEqual(found("2", undefined));
  });

  it.each([
    ["a later string", `{"a":{"x":"1"},"a":{"x":"2"}}`, "2"],
    ["a later object without it", `{"a":{"x":"1"},"a":{}}`, undefined],
    ["a later number", `{"a":{"x":"1"},"a":7}`, undefined],
    ["a later null at the leaf", `{"a":{"x":"1","x":null}}`, undefined],
    ["a later key that is escaped", String.raw`{"a":{"x":"1"},"\u0061":{"\u0078":"2"}}`, "2"],
  ])("is replaced by %s", (_claim, body, value) => {
    expect(scan(body, "a.x")).toEqual(found(value));
  });

  it("is decoded as JSON.parse does, lone surrogates and all", () => {
    const body = String.raw`{"id":"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00\ud800é😀\u0000"}`;

    expect(scan(body, "id")).toEqual(found('"\\/\b\f\n\r\tA😀\ud800é😀\0'));
  });

  it("keeps a byte order mark inside its value", () => {
    expect(scan(`{"id":"\ufeffx"}`, "id")).toEqual(found("\ufeffx"));
  });

  it("compares keys decoded, not as written", () => {
    expect(scan(String.raw`{"a\\b":"1","\u00e9":"2"}`, "a\\b", "é")).toEqual(found("1", "2"));
    expect(scan(String.raw`{"a\tb":"1"}`, String.raw`a\tb`)).toEqual(found(undefined));
  });

  it.each([
    ['\\b\\f\\n\\r\\t\\"\\\\\\/', '\b\f\n\r\t"\\/'],
    ["\\u006a\\u006A\\u005f\\u0039", "jj_9"],
    ["\\u00e9\\ud83d\\ude00x", "é😀x"],
  ])("has a key that may be written %s", (written, name) => {
    expect(scan(`{"${written}":"1"}`, name)).toEqual(found("1"));
    expect(scan(`{"${written}z":"1"}`, name)).toEqual(found(undefined));
    expect(scan(`{"z${written}":"1"}`, name)).toEqual(found(undefined));
    expect(scan(`{"${written}":"1"}`, `${name}z`)).toEqual(found(undefined));
  });

  it("is none of the keys that every object inherits", () => {
    expect(scan("{}", "constructor.name", "__proto__")).toEqual(found(undefined, undefined));
    expect(scan(`{"__proto__":"own"}`, "__proto__")).toEqual(found("own"));
  });

  it.each([
    [JSON_VALUE_LIMIT_BYTES - 1, true],
    [JSON_VALUE_LIMIT_BYTES, true],
    [JSON_VALUE_LIMIT_BYTES + 1, false],
  ])("of %i bytes is taken: %s", (lengthBytes, isTaken) => {
    const value = "v".repeat(lengthBytes);

    expect(scan(`{"id":"${value}"}`, "id")).toEqual(found(isTaken ? value : undefined));
  });

  it("that is too long still replaces what was there", () => {
    const value = "v".repeat(JSON_VALUE_LIMIT_BYTES + 1);

    expect(scan(`{"id":"1","id":"${value}"}`, "id")).toEqual(found(undefined));
  });
});

describe("a body", () => {
  it.each(["[]", `["id"]`, `"id"`, "1", "null", ` \t\r\n{ } \n`])("has no fields: %s", (body) => {
    expect(scan(body, "id")).toEqual(found(undefined));
  });

  it.each([
    ["", 0],
    ["  ", 2],
    ["{", 1],
    [`{"a"`, 4],
    [`{"a" 1}`, 5],
    [`{"a":}`, 5],
    [`{"a":1,}`, 7],
    [`{,}`, 1],
    [`{a:1}`, 1],
    [`{"a":1]`, 6],
    [`[1,]`, 3],
    [`[1 2]`, 3],
    [`[1}`, 2],
    ["[", 1],
    ["]", 0],
    ["{} {}", 3],
    ["tru", 3],
    ["trug", 3],
    ["True", 0],
    ["nul", 3],
    ["01", 1],
    ["-", 1],
    ["+1", 0],
    ["1.", 2],
    [".5", 0],
    ["1e", 2],
    ["1e+", 3],
    ["0x1", 1],
    ["NaN", 0],
    [`"`, 1],
    [`"abc`, 4],
    [`"\\`, 2],
    [`"\\x"`, 2],
    [`"\\u12g4"`, 5],
    [`"\\u12`, 5],
    [`"a\nb"`, 2],
    [`"a\0b"`, 2],
    ["\u00a0{}", 0],
    ["\ufeff{}", 0],
    ["{}\0", 2],
    ["'a'", 0],
    ["[1]//", 3],
  ])("is unreadable: %j breaks at byte %i", (body, offset) => {
    expect(scan(body, "id")).toEqual({ kind: "unreadable", offset });
  });

  it.each([
    ["a tail without a lead", [0x80], 0],
    ["an overlong slash in 2 bytes", [0xc0, 0xaf], 0],
    ["an overlong slash in 3 bytes", [0xe0, 0x80, 0xaf], 1],
    ["an overlong slash in 4 bytes", [0xf0, 0x80, 0x80, 0xaf], 1],
    ["a surrogate", [0xed, 0xa0, 0x80], 1],
    ["a character above U+10FFFF", [0xf4, 0x90, 0x80, 0x80], 1],
    ["a lead that does not exist", [0xf5, 0x80, 0x80, 0x80], 0],
    ["a lead without its second byte", [0xc3, 0x28], 1],
    ["a lead without its third byte", [0xe2, 0x82, 0x28], 2],
    ["a lead without its fourth byte", [0xf0, 0x9f, 0x98, 0x28], 3],
  ])("is unreadable with malformed UTF-8: %s", (_claim, bytes, broken) => {
    const body = Uint8Array.from([
      ...encoder.encode(`{"a":"xyz`),
      ...bytes,
      ...encoder.encode(`"}`),
    ]);

    expect(scanJsonFields(body, compileFieldPaths(["a"]))).toEqual({
      kind: "unreadable",
      offset: 9 + broken,
    });
  });

  it("is unreadable where a character is cut off at its end", () => {
    const body = encoder.encode(`"😀`).subarray(0, 4);

    expect(scanJsonFields(body, compileFieldPaths([]))).toEqual({ kind: "unreadable", offset: 4 });
  });

  it.each([
    [JSON_DEPTH_LIMIT - 1, "fields"],
    [JSON_DEPTH_LIMIT, "fields"],
    [JSON_DEPTH_LIMIT + 1, "unreadable"],
    [1_000_000, "unreadable"],
  ])("nested %i deep gives %s", (depth, kind) => {
    expect(scan("[".repeat(depth) + "]".repeat(depth)).kind).toBe(kind);
    expect(scan(`{"a":`.repeat(depth) + "1" + "}".repeat(depth)).kind).toBe(kind);
  });

  it("costs no decoding for keys, however many are escaped", () => {
    const decode = vi.spyOn(TextDecoder.prototype, "decode");
    onTestFinished(() => decode.mockRestore());

    expect(scan(`{"model":"m"${String.raw`,"\u006dodex":1`.repeat(1_000)}}`, "model")).toEqual(
      found("m"),
    );
    expect(decode).toHaveBeenCalledTimes(1); // the value
  });

  it("may be a window into a larger buffer", () => {
    const buffer = encoder.encode(`xx{"id":"s1"}yy`);

    expect(scanJsonFields(buffer.subarray(2, -2), compileFieldPaths(["id"]))).toEqual(found("s1"));
  });
});
