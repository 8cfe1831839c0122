import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { isExactJsonInSlices } from "../../src/json/exact-json.ts";
import { parseJsonInSlices } from "../../src/json/parse-json.ts";
import { atOnce } from "../../src/json/slices.ts";
import { encode, jsonText } from "./json-oracle.ts";

const parseJson = (text: Uint8Array) => atOnce(parseJsonInSlices(text));

describe("the value of a JSON text", () => {
  it("is that of JSON.parse", () => {
    fc.assert(
      fc.property(jsonText(["a", "b", "é", "", "7", "__proto__", "toString"]), (text) => {
        expect(JSON.stringify(parseJson(encode(text)))).toBe(JSON.stringify(JSON.parse(text)));
        expect(parseJson(encode(text))).toEqual(JSON.parse(text));
      }),
      { seed: 8, numRuns: 3_000 },
    );
  });

  it("has members of its own only", () => {
    const value = parseJson(encode(`{"__proto__":{"n":2}}`)) as Record<string, unknown>;

    expect([value["n"], value["toString"], Object.keys(value)]).toEqual([
      undefined,
      undefined,
      ["__proto__"],
    ]);
  });

  it("comes in linear time, whatever the shapes of its objects", () => {
    const parse = vi.spyOn(JSON, "parse");
    onTestFinished(() => parse.mockRestore());
    const object = (i: number) =>
      `{${Array.from({ length: 100 }, (_, k) => `"a${i * 100 + k}":1`).join(",")}}`;
    const text = `[${Array.from({ length: 2_000 }, (_, i) => object(i)).join(",")}]`;

    expect(parseJson(encode(text))).toHaveLength(2_000);
    expect(parse).not.toHaveBeenCalled();
  });
});

describe("a text tells more than JSON.parse gives", () => {
  it.each([
    ["0", true],
    ["-17", true],
    ["1.5", true],
    ["9007199254740991", true],
    [`{"a":[1,true,null,"1e5"],"01a":"\u00e9"}`, true],
    ["1.0", false],
    ["-0", false],
    ["1e5", false],
    ["1e-7", false],
    ["1e999", false],
    ["12345678901234567891", false],
    ["0.10000000000000000001", false],
    [`[{"a":{"7":1}}]`, false],
    [String.raw`{"\u0037":1}`, false],
  ])("unless it is like %s: %s", (text, isExact) => {
    expect(atOnce(isExactJsonInSlices(encode(text)))).toBe(isExact);
  });
});
