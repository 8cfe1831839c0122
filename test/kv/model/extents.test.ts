import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cutExtents,
  eachExtent,
  type Extents,
  extentsOfRank,
} from "../../../src/kv/model/extents.ts";
import { layoutOf, segmentBytes } from "../../../src/kv/model/layout.ts";
import type { ModelProfile } from "../../../src/kv/model/profile.ts";
import { DEEPSEEK_V3, QWEN3_8B } from "./profiles.ts";

const smallProfile: fc.Arbitrary<ModelProfile> = fc
  .record({
    layers: fc.integer({ min: 1, max: 3 }),
    headsOfRank: fc.integer({ min: 1, max: 2 }),
    width: fc.integer({ min: 1, max: 3 }),
    tensorParallel: fc.integer({ min: 1, max: 3 }),
    dtype: fc.constantFrom("fp32", "bf16", "fp8_e5m2"),
    isLatent: fc.boolean(),
  })
  .map(({ layers, headsOfRank, width, tensorParallel, dtype, isLatent }) => {
    const sizes = { layers, tensorParallel, dtype } as const;
    const kvHeads = headsOfRank * tensorParallel;
    if (isLatent) return { ...DEEPSEEK_V3, ...sizes, loraRank: width, ropeDim: headsOfRank };
    return { ...QWEN3_8B, ...sizes, kvHeads, headDim: width };
  });

const cut = fc
  .tuple(fc.nat(4), fc.integer({ min: 1, max: 4 }), fc.nat(4))
  .map(([start, length, after]) => ({ segmentTokens: start + length + after, start, length }));

/**
 * Each byte of a segment as the tensor's axes name it, in the order in which the engine writes the tensor, with tokens counted
 * from `firstToken`.
 */
function writtenSegment(profile: ModelProfile, tokens: number, firstToken: number): string[] {
  const { elementBytes, unitBytes, ranks, parts, layers } = layoutOf(profile);
  const axes = [ranks, parts, layers, tokens, unitBytes / elementBytes, elementBytes];
  let names: number[][] = [[]];
  for (const size of axes) {
    names = names.flatMap((name) => Array.from({ length: size }, (_, i) => [...name, i]));
  }
  return names.map(([rank, part, layer, token, ...rest]) =>
    [rank, part, layer, (token ?? 0) + firstToken, ...rest].join("."),
  );
}

function gathered(bytes: readonly string[], extents: Extents): string[] {
  return [...eachExtent(extents)].flatMap(({ offsetBytes, lengthBytes }) =>
    bytes.slice(offsetBytes, offsetBytes + lengthBytes),
  );
}

describe("a cut", () => {
  it("copied in order is the segment that an engine would have written of those tokens", () => {
    fc.assert(
      fc.property(smallProfile, cut, (profile, range) => {
        const whole = writtenSegment(profile, range.segmentTokens, 0);

        expect(gathered(whole, cutExtents(layoutOf(profile), range))).toEqual(
          writtenSegment(profile, range.length, range.start),
        );
      }),
    );
  });

  it("of a whole segment is all of its bytes", () => {
    const layout = layoutOf(QWEN3_8B);
    const extents = cutExtents(layout, { segmentTokens: 113, start: 0, length: 113 });

    expect(extents.count * extents.lengthBytes).toBe(segmentBytes(layout, 113));
    expect(extents.strideBytes).toBe(extents.lengthBytes);
  });

  it("has one extent for K and one for V in each layer of each rank", () => {
    const layout = layoutOf({ ...QWEN3_8B, tensorParallel: 2 });
    const extents = cutExtents(layout, { segmentTokens: 100, start: 10, length: 20 });
    const perRank = 100 * layout.perRankBytesPerToken;

    expect(extents).toEqual({
      offsetBytes: 10_240,
      lengthBytes: 20_480,
      strideBytes: 102_400,
      count: 144,
    });
    expect(extentsOfRank(extents, layout, 0)).toEqual({ ...extents, count: 72 });
    expect(extentsOfRank(extents, layout, 1)).toEqual({
      ...extents,
      offsetBytes: perRank + 10_240,
      count: 72,
    });
  });

  it("of a latent has one extent in each layer and one rank", () => {
    const layout = layoutOf(DEEPSEEK_V3);
    const extents = cutExtents(layout, { segmentTokens: 128, start: 64, length: 64 });

    expect(extents).toMatchObject({ count: 61, lengthBytes: 64 * 1152, offsetBytes: 64 * 1152 });
    expect(extentsOfRank(extents, layout, 0)).toEqual(extents);
    expect(() => extentsOfRank(extents, layout, 1)).toThrow(
      "rank 1 must be an integer from 0 to 0",
    );
  });

  it.each([
    { segmentTokens: 10, start: -1, length: 5 },
    { segmentTokens: 10, start: 0, length: 0 },
    { segmentTokens: 10, start: 6, length: 5 },
    { segmentTokens: 10, start: 0.5, length: 1 },
    { segmentTokens: 10, start: 0, length: 1.5 },
    { segmentTokens: 10, start: Number.NaN, length: 1 },
  ])("is refused where it leaves the segment: $start, $length of $segmentTokens", (range) => {
    expect(() => cutExtents(layoutOf(QWEN3_8B), range)).toThrow("must lie in [0, 10)");
  });

  it("may end with the segment, and is refused for one past the limit", () => {
    const layout = layoutOf(QWEN3_8B);

    expect(cutExtents(layout, { segmentTokens: 10, start: 9, length: 1 }).lengthBytes).toBe(2048);
    expect(() => cutExtents(layout, { segmentTokens: 1_048_577, start: 0, length: 1 })).toThrow(
      "segment tokens 1048577",
    );
  });
});
