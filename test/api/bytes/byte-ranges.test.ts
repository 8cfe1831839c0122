import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { chooseRanges, RANGES_LIMIT } from "../../../src/api/bytes/byte-ranges.ts";

const SIZE = 100;

function chosen(header: string | undefined): unknown {
  const choice = chooseRanges(header, SIZE);
  if (choice.kind !== "partial") return choice.kind;
  return choice.ranges.map(({ offset, length }) => [offset, length]);
}

describe("a Range header", () => {
  it.each([
    ["bytes=0-0", [[0, 1]]],
    ["bytes=0-99", [[0, 100]]],
    ["bytes=99-", [[99, 1]]],
    ["bytes=10-1000", [[10, 90]]],
    ["bytes=-1", [[99, 1]]],
    ["bytes=-100", [[0, 100]]],
    ["bytes=-5000", [[0, 100]]],
    ["Bytes=5-6", [[5, 2]]],
    [
      "bytes= 5-6 , 8-9",
      [
        [5, 2],
        [8, 2],
      ],
    ],
    ["bytes=,5-6,,", [[5, 2]]],
    [
      "bytes=50-59,0-9",
      [
        [50, 10],
        [0, 10],
      ],
    ],
    [
      "bytes=0-9,10-19",
      [
        [0, 10],
        [10, 10],
      ],
    ],
    ["bytes=0-9,500-", [[0, 10]]],
    [
      "bytes=90-,0-4,-20",
      [
        [0, 5],
        [80, 20],
      ],
    ],
    ["bytes=0-9,0-9,0-9", [[0, 10]]],
    ["bytes=0-99999999999999999999999", [[0, 100]]],
  ])("%j is these bytes", (header, ranges) => {
    expect(chosen(header)).toEqual(ranges);
  });

  it.each([
    undefined,
    "",
    "bytes",
    "bytes=",
    "bytes=,",
    "bytes=-",
    "bytes=a-b",
    "bytes=1-0",
    "bytes=0-1,5-4",
    "bytes=--1",
    "bytes=0-1-2",
    "bytes=0 - 1",
    "bytes=0x1-2",
    "bytes=+1-2",
    "bytes=1.5-2",
    "items=0-1",
    "tokens=0-1,bytes=0-1",
  ])("%j counts as none", (header) => {
    expect(chosen(header)).toBe("whole");
  });

  it.each(["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"])(
    "%j cannot be satisfied",
    (header) => {
      expect(chosen(header)).toBe("unsatisfiable");
    },
  );

  it("names no more ranges than the limit", () => {
    const named = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, at) => `${at}-${at}`).join(",")}`;
    expect(chosen(named(RANGES_LIMIT))).toHaveLength(RANGES_LIMIT);
    expect(chosen(named(RANGES_LIMIT + 1))).toBe("unsatisfiable");
  });

  it("chooses each byte that it names, and each once, whatever it names", () => {
    const spec = fc
      .tuple(fc.option(fc.nat(120)), fc.option(fc.nat(120)))
      .filter(([first, last]) => first !== null || last !== null);
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 6 }), (specs) => {
        const header = `bytes=${specs.map(([a, b]) => `${a ?? ""}-${b ?? ""}`).join(",")}`;
        const choice = chooseRanges(header, SIZE);
        const isBroken = specs.some(([a, b]) => a !== null && b !== null && a > b);
        const named = isBroken ? new Set<number>() : new Set(specs.flatMap(bytesOf));
        const expected = isBroken ? "whole" : named.size === 0 ? "unsatisfiable" : "partial";
        expect(choice.kind).toBe(expected);
        if (choice.kind !== "partial") return;
        const all = choice.ranges.flatMap(({ offset, length }) =>
          Array.from({ length }, (_, at) => offset + at),
        );
        expect(all).toHaveLength(named.size);
        expect(new Set(all)).toEqual(named);
      }),
      { numRuns: 2_000 },
    );
  });
});

function bytesOf([first, last]: readonly [number | null, number | null]): number[] {
  const all = Array.from({ length: SIZE }, (_, at) => at);
  if (first === null) return last === 0 ? [] : all.slice(-(last ?? 0));
  return all.slice(first, (last ?? SIZE) + 1);
}
