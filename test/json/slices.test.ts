/** Long texts, walked in slices. */
import { expect, it } from "vitest";
import { compileFieldPaths, JsonFields, scanJsonFields } from "../../src/json/json-fields.ts";
import {
  objectShape,
  scanJsonMembers,
  scanJsonMembersInSlices,
} from "../../src/json/json-members.ts";
import { jsonText } from "../../src/json/json-tokens.ts";
import { walkJson, walkJsonInSlices, type JsonVisitor } from "../../src/json/json-walk.ts";
import { compileKeyNames } from "../../src/json/key-names.ts";
import { atOnce, type Slices, unhurried } from "../../src/json/slices.ts";

const MANY = 100_000;
const numbers = `[${"1,".repeat(MANY)}1]`;
const strings = `[${`"${"s".repeat(200_000)}",`.repeat(20)}1]`;

/** Tokens by slice. */
function sliced(text: string) {
  let tokens = 0;
  const visitor: JsonVisitor = {
    key: () => void tokens++,
    scalar: () => void tokens++,
    open: () => void tokens++,
    close: () => void tokens++,
  };
  const slices = walkJsonInSlices(jsonText(Buffer.from(text)), visitor);
  const counts: number[] = [];
  for (;;) {
    const { done, value } = slices.next();
    counts.push(tokens - counts.reduce((sum, count) => sum + count, 0));
    if (done === true) return { counts, offset: value };
  }
}

it.each([
  ["of many tokens", numbers, 10],
  ["of long strings", strings, 4],
])("a text %s is walked in several slices, none of which is much of it", (_, text, least) => {
  const { counts, offset } = sliced(text);
  expect(offset).toBeUndefined();
  expect(counts.length).toBeGreaterThanOrEqual(least);
  const all = counts.reduce((sum, count) => sum + count, 0);
  expect(Math.max(...counts)).toBeLessThan(all / 3);
});

it("a text is broken in slices where it is at once", () => {
  for (const text of [`${numbers}x`, numbers.slice(0, -1), `[${"1,".repeat(MANY)}x]`, "", "[1"]) {
    const seen = jsonText(Buffer.from(text));
    const nobody = { key() {}, scalar() {}, open() {}, close() {} };
    expect(sliced(text).offset).toBe(walkJson(seen, nobody));
  }
  expect(sliced(`[${"1,".repeat(MANY)}x]`).offset).toBe(2 * MANY + 1);
});

it("who is told along of a scan for members finds the fields that a scan of its own finds", () => {
  const paths = compileFieldPaths(["model", "session.id"]);
  const text = `{"session":{"id":"s"},"kv":1,"x":${numbers},"model":"m","session":{"id":"t"},"model":"n"}`;
  const body = Buffer.from(text);
  const query = { root: objectShape({ wanted: { model: null } }), cut: compileKeyNames(["kv"]) };
  const fields = new JsonFields(body, paths);
  const scan = atOnce(scanJsonMembersInSlices(body, query, fields));
  expect(scan).toEqual(scanJsonMembers(body, query));
  expect({ kind: "fields", values: fields.values() }).toEqual(scanJsonFields(body, paths));
  expect(fields.values()).toEqual(["n", "t"]);
});

function* counted(slices: number): Slices<string> {
  for (let at = 1; at < slices; at++) yield;
  return "found";
}

it("what takes one slice is answered at once, and the rest with a rest after each", async () => {
  let rests = 0;
  const rest = async () => void rests++;
  expect(unhurried(counted(1), rest)).toBe("found");
  const later = unhurried(counted(4), rest);
  expect(later).toBeInstanceOf(Promise);
  expect(await later).toBe("found");
  expect(rests).toBe(3);
});
