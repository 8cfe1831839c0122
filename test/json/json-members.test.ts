import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { objectShape, scanJsonMembers } from "../../src/json/json-members.ts";
import { compileKeyNames } from "../../src/json/key-names.ts";
import { splice } from "../../src/json/splice.ts";
import { encode, jsonText, parsed, without } from "./json-oracle.ts";

const CUT = ["cut", "cute"];
const inner = objectShape({ wanted: { a: null } });
const root = objectShape({ wanted: { a: null, b: inner }, known: ["k"] });
const query = { root, cut: compileKeyNames(CUT) };

function scan(text: string) {
  const result = scanJsonMembers(encode(text), query);
  if (result.kind === "unreadable") throw new Error(`unreadable at ${result.offset}`);
  return result;
}

function remaining(text: string): string {
  return Buffer.concat(splice(encode(text), scan(text).cuts)).toString();
}

describe("members that are cut out", () => {
  it.each([
    [`{"cut":1}`, `{}`],
    [`{ "cut":1 }`, `{  }`],
    [`{"cut":1,"a":2}`, `{"a":2}`],
    [`{"a":2,"cut":1}`, `{"a":2}`],
    [`{"a":2 , "cut" : 1 ,"k":3}`, `{"a":2 ,"k":3}`],
    [`{"cut":1,"cute":2,"cut":3}`, `{}`],
    [`{"cut":1,"cute":2,"a":3}`, `{"a":3}`],
    [`{"a":3,"cut":1,"cute":2}`, `{"a":3}`],
    [`{"cut":1,"a":3,"cute":2,"b":4,"cut":5}`, `{"a":3,"b":4}`],
    [`{"cut":{"cut":[{"cut":1}]},"a":{"cut":1}}`, `{"a":{}}`],
    [`[{"cut":[]},{"x":{"y":[{"cute":{}}]}}]`, `[{},{"x":{"y":[{}]}}]`],
    [String.raw`{"\u0063ut":1,"\u0063u":2}`, String.raw`{"\u0063u":2}`],
    [`{"cu":1,"cutes":2,"Cut":3,"cut ":4}`, `{"cu":1,"cutes":2,"Cut":3,"cut ":4}`],
  ])("%s leaves %s", (text, rest) => {
    expect(remaining(text)).toBe(rest);
  });

  it("are counted where they are, and not inside of each other", () => {
    const { cutMembers, root: found } = scan(
      `{"cut":{"cut":1},"b":{"cut":1,"cute":2},"k":[{"cut":1}]}`,
    );

    expect(cutMembers).toBe(4);
    expect(found?.cutMembers).toBe(1);
    expect(found?.members.get("b")?.object?.cutMembers).toBe(2);
  });

  it("leave what JSON.parse makes of the rest", () => {
    fc.assert(
      fc.property(jsonText([...CUT, "a", "b", "__proto__", "k"]), (text) => {
        const { cuts } = scan(text);
        expect(parsed(splice(encode(text), cuts))).toEqual(without(JSON.parse(text), CUT));
      }),
      { seed: 7, numRuns: 3_000 },
    );
  });
});

describe("wanted members", () => {
  it("are found with their keys and values", () => {
    const text = ` {"x": 1, "a" : [2] ,"b":{ "a":"é"}}`;
    const members = scan(text).root?.members;
    const bytes = Buffer.from(text);
    const [a, b] = [members?.get("a"), members?.get("b")];
    const deep = b?.object?.members.get("a");

    expect(bytes.subarray(a?.key.start, a?.key.end).toString()).toBe(`"a"`);
    expect(bytes.subarray(a?.value.start, a?.value.end).toString()).toBe("[2]");
    expect(bytes.subarray(b?.value.start, b?.value.end).toString()).toBe(`{ "a":"é"}`);
    expect(bytes.subarray(deep?.value.start, deep?.value.end).toString()).toBe(`"é"`);
    expect(bytes.subarray(b?.object?.start).toString()).toBe(` "a":"é"}}`);
  });

  it.each([
    ["in an array", `{"b":[{"a":1}]}`],
    ["below a known member", `{"k":{"a":1}}`],
    ["below an unknown member", `{"x":{"a":1}}`],
    ["inside of what is cut out", `{"cut":{"a":1}}`],
    ["of a root that is an array", `[{"a":1}]`],
  ])("are not looked for %s", (_claim, text) => {
    const { root: found } = scan(text);

    expect([found?.members.get("a"), found?.members.get("b")?.object]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it.each([
    [`{}`, true, false],
    [`{"cut":1}`, true, false],
    [`{"cut":1,"k":2}`, false, false],
    [`{"k":2,"cut":1}`, false, false],
    [`{"a":1,"z":2}`, false, true],
    [`{"k":{"z":2}}`, false, false],
  ])("%s is empty: %s, has unknown ones: %s", (text, isEmpty, hasUnknown) => {
    expect(scan(text).root).toMatchObject({ isEmpty, hasUnknown });
  });
});

describe("a text is irregular", () => {
  it.each([
    ["where a wanted key comes twice", `{"a":1,"a":2}`, true],
    ["where it comes twice further in", `{"b":{"a":1,"a":2}}`, true],
    ["where a wanted key is escaped", String.raw`{"\u0061":1}`, true],
    ["where a key to be cut out is escaped", String.raw`{"x":[{"c\u0075t":1}]}`, true],
    [
      "not where others do and are",
      String.raw`{"k":1,"k":2,"\u006b":3,"x":1,"x":{"a":1,"a":2}}`,
      false,
    ],
    ["not where one to be cut out comes twice", `{"cut":1,"cut":2}`, false],
    ["not where what is cut out is", String.raw`{"cut":{"\u0061":1,"c\u0075t":2}}`, false],
  ])("%s", (_claim, text, isIrregular) => {
    expect(scan(text).isIrregular).toBe(isIrregular);
  });
});

describe("a text that is not JSON", () => {
  it.each([
    ["no object", "x", 0],
    ["a comma too many", `{"a":1,}`, 7],
    ["invalid UTF-8", "\u00ff", 0],
    ["128 containers and one more", `${"[".repeat(129)}`, 128],
  ])("is unreadable: %s", (_claim, text, offset) => {
    expect(scanJsonMembers(Buffer.from(text, "latin1"), query)).toEqual({
      kind: "unreadable",
      offset,
    });
  });

  it("may be 128 containers deep", () => {
    expect(scan(`${"[".repeat(128)}${"]".repeat(128)}`).root).toBe(undefined);
  });
});
