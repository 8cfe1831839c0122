import fc from "fast-check";
import { expect, it } from "vitest";
import { cutOutInSlices } from "../../src/json/cut-out.ts";
import { type FoundObject, objectShape, scanJsonMembers } from "../../src/json/json-members.ts";
import { compileKeyNames } from "../../src/json/key-names.ts";
import { atOnce } from "../../src/json/slices.ts";
import { splice } from "../../src/json/splice.ts";
import { encode, jsonText } from "./json-oracle.ts";

const inner = objectShape({ wanted: { a: null } });
const root = objectShape({ wanted: { a: null, b: inner }, known: ["k"] });
const query = { root, cut: compileKeyNames(["cut"]) };

function scan(bytes: Uint8Array) {
  const found = scanJsonMembers(bytes, query);
  if (found.kind === "unreadable") throw new Error(`unreadable at ${found.offset}`);
  return found;
}

/** As if nothing had been cut out of it. */
function uncut(object: FoundObject | undefined): unknown {
  if (object === undefined) return undefined;
  const members = Array.from(object.members, ([name, member]) => [
    name,
    { ...member, object: uncut(member.object) },
  ]);
  return { ...object, cutMembers: 0, members };
}

it("finds in the text that is left what a scan of that finds", () => {
  fc.assert(
    fc.property(jsonText(["cut", "a", "b", "k", "x"]), (text) => {
      const bytes = encode(text);
      const found = scan(bytes);
      const left = atOnce(cutOutInSlices(bytes, found));
      expect(Buffer.from(left.bytes)).toEqual(Buffer.concat(splice(bytes, found.cuts)));
      if (found.isIrregular) return;
      expect(uncut(left.root)).toEqual(uncut(scan(left.bytes).root));
    }),
    { seed: 9, numRuns: 3_000 },
  );
});

it("keeps the count of what was cut out", () => {
  const bytes = encode(`{"cut":1,"b":{"cut":1,"a":2,"cut":3}}`);
  const { bytes: left, root: found } = atOnce(cutOutInSlices(bytes, scan(bytes)));
  expect(Buffer.from(left).toString()).toBe(`{"b":{"a":2}}`);
  expect([found?.cutMembers, found?.members.get("b")?.object?.cutMembers]).toEqual([1, 2]);
});

it("leaves the bytes themselves where nothing is cut out", () => {
  const bytes = encode(`{"a":1}`);
  expect(atOnce(cutOutInSlices(bytes, scan(bytes))).bytes).toBe(bytes);
});
