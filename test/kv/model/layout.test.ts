import { describe, expect, it } from "vitest";
import { layoutOf, segmentBytes } from "../../../src/kv/model/layout.ts";
import { type ModelProfile, SEGMENT_TOKENS_LIMIT } from "../../../src/kv/model/profile.ts";
import { DEEPSEEK_V3, QWEN3_8B } from "./profiles.ts";

const mha = (layers: number, kvHeads: number): ModelProfile => ({ ...QWEN3_8B, layers, kvHeads });

describe("layoutOf", () => {
  it.each([
    ["Qwen3-8B", QWEN3_8B, 147_456],
    ["Llama-3-8B", mha(32, 8), 131_072],
    ["Qwen3-32B", mha(64, 8), 262_144],
    ["Llama-3-70B", mha(80, 8), 327_680],
    ["DeepSeek-V3", DEEPSEEK_V3, 70_272],
    ["Qwen3-8B in fp8", { ...QWEN3_8B, dtype: "fp8_e4m3" } as const, 73_728],
    ["Qwen3-8B in fp32", { ...QWEN3_8B, dtype: "fp32" } as const, 294_912],
  ])("%s has its bytes per token", (_, profile, bytes) => {
    expect(layoutOf(profile).bytesPerToken).toBe(bytes);
  });

  it("has the seed's offsets after 113 and 213 tokens", () => {
    const layout = layoutOf(QWEN3_8B);

    expect(segmentBytes(layout, 113)).toBe(16_662_528);
    expect(segmentBytes(layout, 213)).toBe(31_408_128);
  });

  it("shares the heads among the ranks, and keeps the whole", () => {
    const layout = layoutOf({ ...QWEN3_8B, tensorParallel: 4 });

    expect(layout).toMatchObject({ ranks: 4, unitBytes: 512, planes: 288 });
    expect(layout.perRankBytesPerToken).toBe(36_864);
    expect(layout.bytesPerToken).toBe(147_456);
  });

  it("stores a latent once, however many ranks have it", () => {
    expect(layoutOf(DEEPSEEK_V3)).toMatchObject({
      ranks: 1,
      planes: 61,
      perRankBytesPerToken: 70_272,
      bytesPerToken: 70_272,
    });
  });

  it("refuses a profile with problems", () => {
    expect(() => layoutOf({ ...QWEN3_8B, tensorParallel: 3 })).toThrow(
      "model profile: tensorParallel 3 must divide kvHeads 8",
    );
  });
});

describe("a dtype", () => {
  it.each([
    ["fp32", 4],
    ["bf16", 2],
    ["fp16", 2],
    ["fp8_e4m3", 1],
    ["fp8_e5m2", 1],
  ] as const)("%s has %s bytes", (dtype, bytes) => {
    expect(layoutOf({ ...QWEN3_8B, dtype })).toMatchObject({
      elementBytes: bytes,
      unitBytes: 8 * 128 * bytes,
    });
  });
});

describe("segmentBytes", () => {
  it("is exact for the longest segment of the largest profile", () => {
    const largest = { layers: 512, kvHeads: 512, headDim: 1024, dtype: "fp32" } as const;
    const bytes = segmentBytes(layoutOf({ ...QWEN3_8B, ...largest }), SEGMENT_TOKENS_LIMIT);

    expect(BigInt(bytes)).toBe(2n * 512n * 512n * 1024n * 4n * 1_048_576n);
    expect(bytes).toBe(2 ** 51);
  });

  it.each([0, -1, 0.5, SEGMENT_TOKENS_LIMIT + 1, Number.NaN])("refuses %s tokens", (tokens) => {
    expect(() => segmentBytes(layoutOf(QWEN3_8B), tokens)).toThrow(
      `segment tokens ${tokens} must be an integer from 1 to 1048576`,
    );
  });
});
