import { expect, it } from "vitest";

import { coverOfFirst } from "../../../src/kv/turns/prefix-cover.ts";
import { type Segment, segmentId, type TurnId } from "../../../src/kv/records.ts";
import { chainOf } from "../../support/kv-texts.ts";

/** Of the last `length` tokens of the text. */
function segment(text: string, length: number, changes: Partial<Segment> = {}): Segment {
  const tokenStart = text.length - length;
  const id = segmentId(`${text}-${length}` as TurnId, 0);
  const chain = chainOf(text, tokenStart);
  const own = { id, geometry: Uint8Array.of(1), chain, tokenStart, tokenLength: length };
  return { lastReadAtMs: 0, ...own, ...changes } as Segment;
}

const covers = (segments: readonly Segment[], tokens: number) =>
  coverOfFirst(segments, tokens).map(({ id }) => id);

it("takes whole segments within the tokens that were asked for", () => {
  const list = [segment("abcd", 4), segment("abcdefgh", 4), segment("abcdefghij", 2)];
  expect(covers(list, 3)).toEqual([]);
  expect(covers(list, 4)).toEqual(["abcd-4.0"]);
  expect(covers(list, 9)).toEqual(["abcd-4.0", "abcdefgh-4.0"]);
  expect(covers(list, Infinity)).toEqual(["abcd-4.0", "abcdefgh-4.0", "abcdefghij-2.0"]);
});

it("joins no segment to another branch, to another geometry, or over a gap", () => {
  const branches = [segment("abcd", 4), segment("XYcdefgh", 4)];
  expect(covers(branches, Infinity)).toEqual(["abcd-4.0"]);
  const others = [segment("abcd", 4), segment("abcdefgh", 4, { geometry: Uint8Array.of(2) })];
  expect(covers(others, Infinity)).toEqual(["abcd-4.0"]);
  expect(covers([segment("abcd", 4), segment("abcdefgh", 3)], Infinity)).toEqual(["abcd-4.0"]);
});

it("takes the fewest segments to one end", () => {
  const snapshots = [segment("abcd", 4), segment("abcdefgh", 4), segment("abcdefgh", 8)];
  expect(covers(snapshots, Infinity)).toEqual(["abcdefgh-8.0"]);
});

it("takes a snapshot only if the whole of it is within the tokens that were asked for", () => {
  const text = { units: 8, points: new Uint8Array(16) };
  const saved = segment("abcdefgh", 8, { geometry: Uint8Array.of(9), snapshot: text });
  const list = [segment("abcd", 4), saved];
  expect(covers(list, 7)).toEqual(["abcd-4.0"]);
  expect(covers(list, 8)).toEqual(["abcdefgh-8.0"]);
  const later = segment("abcdefghij", 2);
  expect(covers([saved, later], Infinity)).toEqual(["abcdefgh-8.0"]);
});

it("takes the longest branch, and of equally long ones that which was read last", () => {
  const first = segment("abcd", 4);
  const older = segment("abcdefgh", 4, { lastReadAtMs: 5 });
  const newer = segment("abcdXYZ!", 4, { lastReadAtMs: 6 });
  expect(covers([first, older, newer], Infinity)).toEqual(["abcd-4.0", newer.id]);
  expect(covers([first, newer, older, segment("abcdefghi", 1)], Infinity)).toContain(older.id);
});
