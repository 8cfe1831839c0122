import { expect, it } from "vitest";
import { objectShape, scanJsonMembers } from "../../src/json/json-members.ts";
import { compileKeyNames } from "../../src/json/key-names.ts";
import { withRegularKeys } from "../../src/json/regular-keys.ts";

const inner = objectShape({ wanted: { id: null } });
const root = objectShape({ wanted: { a: null, o: inner }, known: ["k"] });
const query = { root, cut: compileKeyNames(["cut"]) };

const regular = (text: string) => Buffer.from(withRegularKeys(Buffer.from(text), query)).toString();

it.each([
  [`{ "a" : 1.0, "x":{"a":1,"a":2} }`, `{ "a" : 1.0, "x":{"a":1,"a":2} }`],
  [String.raw`{"\u0061":1,"\u0078":2}`, String.raw`{"a":1,"\u0078":2}`],
  [String.raw`[{"c\u0075t":1},{"x":{"\u0063ut":2}}]`, `[{"cut":1},{"x":{"cut":2}}]`],
  [`{"a":1 , "a":2}`, `{"a":2}`],
  [String.raw`{"a":1,"x":0,"\u0061":[{"a":2}],"a":3}`, `{"x":0,"a":3}`],
  [`{"o":{"id":1,"id":2},"o":{"id":3,"x":4,"id":5}}`, `{"o":{"x":4,"id":5}}`],
  [String.raw`{"o":{"\u0069d":1},"a":0,"o":2}`, `{"a":0,"o":2}`],
  [`{"o":[{"id":1,"id":2}]}`, `{"o":[{"id":1,"id":2}]}`],
  [`{"k":1,"k":2}`, `{"k":1,"k":2}`],
  [`{"cut":1,"cut":2}`, `{"cut":1,"cut":2}`],
])("%s becomes %s", (text, expected) => {
  expect(regular(text)).toBe(expected);
  const scan = scanJsonMembers(Buffer.from(expected), query);
  expect(scan.kind === "members" && scan.isIrregular).toBe(false);
});

it("takes no more than some scans of the text, however many objects it has", () => {
  const text = Buffer.from(`{"\\u0061":[${`{"a":1},`.repeat(100_000)}0]}`);
  const scanMs = fastest(() => scanJsonMembers(text, query));
  expect(fastest(() => withRegularKeys(text, query))).toBeLessThan(8 * scanMs);
});

function fastest(work: () => unknown): number {
  const runs = Array.from({ length: 5 }, () => {
    const startedAtMs = performance.now();
    work();
    return performance.now() - startedAtMs;
  });
  return Math.min(...runs);
}
