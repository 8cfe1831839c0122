import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splice, type Edit } from "../../src/json/splice.ts";

function spliced(text: string, edits: readonly Edit[]): string {
  return Buffer.concat(splice(Buffer.from(text), edits)).toString();
}

const bytes = Buffer.from("+");

describe("spliced bytes", () => {
  it("have the edits in the order of their places", () => {
    const edits = [
      { start: 4, end: 6 },
      { start: 0, end: 1, bytes },
      { start: 2, end: 2, bytes },
    ];

    expect(spliced("abcdef", edits)).toBe("+b+cd");
  });

  it("have an insertion before what begins at its place", () => {
    expect(
      spliced("abc", [
        { start: 1, end: 2 },
        { start: 1, end: 1, bytes },
      ]),
    ).toBe("a+c");
  });

  it("have nothing of an edit inside of another", () => {
    expect(
      spliced("abcdef", [
        { start: 1, end: 5, bytes },
        { start: 2, end: 3 },
      ]),
    ).toBe("a+f");
  });

  it("have the first of two edits of the same bytes", () => {
    expect(
      spliced("abc", [
        { start: 1, end: 2, bytes },
        { start: 1, end: 2 },
      ]),
    ).toBe("a+c");
  });

  it("are views of the old ones, unless there are many", () => {
    const source = new Uint8Array(1_000);
    const cuts = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ start: 2 * i + 1, end: 2 * i + 2 }));

    expect(splice(source, cuts(63)).every((piece) => piece.buffer === source.buffer)).toBe(true);
    expect(splice(source, cuts(63))).toHaveLength(64);
    expect(splice(source, cuts(64))).toEqual([new Uint8Array(936)]);
  });

  it("are the same of many edits as of one after the other", () => {
    const place = fc.record({
      start: fc.nat(4_000),
      length: fc.nat(40),
      text: fc.option(fc.string({ maxLength: 5, unit: "grapheme-ascii" })),
    });
    fc.assert(
      fc.property(fc.array(place, { minLength: 65, maxLength: 120 }), (places) => {
        const source = Array.from({ length: 5_000 }, (_, i) => String.fromCharCode(97 + (i % 26)));
        const edits = places.map(({ start, length, text }) => {
          const end = start + length;
          return { start, end, ...(text !== null && { bytes: Buffer.from(text) }) };
        });
        let expected = "";
        let at = 0;
        for (const { start, end, bytes: by } of edits.toSorted(
          (a, b) => a.start - b.start || a.end - b.end,
        )) {
          if (start < at) continue;
          expected += source.slice(at, start).join("") + (by?.toString() ?? "");
          at = end;
        }
        expect(spliced(source.join(""), edits)).toBe(expected + source.slice(at).join(""));
      }),
      { numRuns: 50 },
    );
  });
});
