import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutOf, segmentBytes } from "../../../src/kv/model/layout.ts";
import { eachBlock, nonzeroBlocks } from "../../../src/kv/model/nonzero-blocks.ts";
import { DEEPSEEK_V3, QWEN3_8B } from "./profiles.ts";

const bf16 = layoutOf({ ...QWEN3_8B, layers: 2 });
const fp8 = layoutOf({ ...QWEN3_8B, layers: 2, kvHeads: 2, dtype: "fp8_e4m3" }); // units of 256 bytes

const place = fc.record({ tokens: fc.integer({ min: 1, max: 40 }), kvStart: fc.nat(20_000) });

function rangesOf(layout: typeof bf16, place: { tokens: number; kvStart: number }): number[][] {
  return [...eachBlock(nonzeroBlocks(layout, place))].map(({ offsetBytes, lengthBytes }) => [
    offsetBytes,
    offsetBytes + lengthBytes,
  ]);
}

describe("the blocks that must not be all zero", () => {
  it("are one token in one layer of K or V, wherever the segment starts", () => {
    const ranges = rangesOf(bf16, { tokens: 3, kvStart: 1000 });

    expect(ranges).toHaveLength(2 * 2 * 3);
    expect(ranges.slice(0, 2)).toEqual([
      [0, 2048],
      [2048, 4096],
    ]);
    expect(ranges.at(-1)).toEqual([22_528, 24_576]);
  });

  it("are one token's share of one rank, so that a rank which wrote nothing is seen", () => {
    const layout = layoutOf({ ...QWEN3_8B, tensorParallel: 4 });

    expect(rangesOf(layout, { tokens: 1, kvStart: 0 })[0]).toEqual([0, 512]);
  });

  it("are one latent in one layer for mla", () => {
    expect(rangesOf(layoutOf(DEEPSEEK_V3), { tokens: 1, kvStart: 0 })[0]).toEqual([0, 1152]);
  });

  it("are the file's 4 KiB blocks where elements have 8 bits", () => {
    const aligned = rangesOf(fp8, { tokens: 8, kvStart: 8192 });

    expect(aligned).toEqual([
      [0, 4096],
      [4096, 8192],
    ]);
  });

  it("have edges of their own where the segment does not start or end on 4 KiB", () => {
    expect(rangesOf(fp8, { tokens: 10, kvStart: 4096 - 256 })).toEqual([
      [0, 256],
      [256, 4352],
      [4352, 8448],
      [8448, 10_240],
    ]);
  });

  it("leave out an edge shorter than one token in one layer, whose few values may all be zero", () => {
    expect(rangesOf(fp8, { tokens: 8, kvStart: 4096 - 255 })).toEqual([
      [255, 4351],
      [4351, 8192],
    ]);
    expect(rangesOf(fp8, { tokens: 8, kvStart: 4096 + 255 })).toEqual([
      [0, 3841],
      [3841, 7937],
    ]);
  });

  it("are the segment itself where no aligned block lies in it", () => {
    expect(rangesOf(fp8, { tokens: 1, kvStart: 4000 })).toEqual([[0, 1024]]);
  });

  it("follow each other without a gap and leave out short edges only", () => {
    fc.assert(
      fc.property(fc.constantFrom(bf16, fp8), place, (layout, where) => {
        const ranges = rangesOf(layout, where);
        const starts = ranges.map(([start]) => start);
        const ends = ranges.map(([, end]) => end ?? 0);

        expect(starts.slice(1)).toEqual(ends.slice(0, -1));
        expect(starts[0]).toBeLessThan(layout.unitBytes);
        expect(segmentBytes(layout, where.tokens) - (ends.at(-1) ?? 0)).toBeLessThan(
          layout.unitBytes,
        );
      }),
    );
  });

  it("are cut at every 4 KiB of the file, and nowhere else, where elements have 8 bits", () => {
    fc.assert(
      fc.property(place, (where) => {
        const cuts = rangesOf(fp8, where)
          .slice(1)
          .map(([start]) => where.kvStart + (start ?? 0));
        const lengths = rangesOf(fp8, where).map(([start, end]) => (end ?? 0) - (start ?? 0));

        expect(cuts.filter((at) => at % 4096 !== 0)).toEqual([]);
        expect(lengths.filter((length) => length < 1)).toEqual([]);
        expect(Math.max(...lengths)).toBeLessThanOrEqual(lengths.length === 1 ? 8190 : 4096);
      }),
    );
  });
});
