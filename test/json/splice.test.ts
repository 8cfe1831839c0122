import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { atOnce } from "../../src/json/slices.ts";
import { type Edit, rewriteInSlices, splice } from "../../src/json/splice.ts";

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

  it("are views of the old ones", () => {
    const source = new Uint8Array(1_000);
    const cuts = Array.from({ length: 63 }, (_, i) => ({ start: 2 * i + 1, end: 2 * i + 2 }));
    const pieces = splice(source, cuts);

    expect(pieces).toHaveLength(64);
    expect(pieces.every((piece) => piece.buffer === source.buffer)).toBe(true);
  });
});

describe("rewritten bytes", () => {
  it("are those of the pieces, joined", () => {
    const edit = fc.record({
      start: fc.nat(4_000),
      length: fc.oneof(fc.nat(5), fc.nat(600)),
      text: fc.option(fc.string({ maxLength: 5, unit: "grapheme-ascii" })),
    });
    const source = Buffer.from(Array.from({ length: 5_000 }, (_, i) => 97 + (i % 26)));
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 120 }), (places) => {
        const edits = places
          .map(({ start, length, text }) => {
            const by = text === null ? {} : { bytes: Buffer.from(text) };
            return { start, end: start + length, ...by };
          })
          .filter(({ start, end, bytes }) => (bytes?.length ?? 0) <= end - start)
          .toSorted((a, b) => a.start - b.start || a.end - b.end);
        const rewritten = atOnce(rewriteInSlices(source, edits));
        expect(Buffer.from(rewritten)).toEqual(Buffer.concat(splice(source, edits)));
      }),
      { numRuns: 200 },
    );
  });

  it("come in slices, of which none has more than 8,192 edits or a MiB", () => {
    const cuts = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ start: 2 * i + 1, end: 2 * i + 2 }));
    const slicesOf = (sizeBytes: number, edits: readonly Edit[]) =>
      1 + Array.from(rewriteInSlices(new Uint8Array(sizeBytes), edits)).length;

    expect(slicesOf(20_000, cuts(8_192))).toBe(1);
    expect(slicesOf(20_000, cuts(8_193))).toBe(2);
    expect(slicesOf(400_000, cuts(10 * 8_192))).toBe(10);
    expect(slicesOf(2 ** 20, [])).toBe(1);
    expect(slicesOf(2 ** 20 + 1, [])).toBe(2);
    expect(slicesOf(3 * 2 ** 20 + 1, [{ start: 5, end: 6 }])).toBe(4);
  });

  it("are the same in slices", () => {
    const source = Buffer.from(Array.from({ length: 3 * 2 ** 20 }, (_, i) => i % 251));
    const edits = Array.from({ length: 20_000 }, (_, i) => ({
      start: 100 * i + 3,
      end: 100 * i + 9,
      bytes: Buffer.from(String(i)),
    }));
    const rewritten = Buffer.from(atOnce(rewriteInSlices(source, edits)));
    expect(rewritten.equals(Buffer.concat(splice(source, edits)))).toBe(true);
  });
});
