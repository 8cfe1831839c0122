import { describe, expect, it } from "vitest";
import {
  type ModelProfile,
  PROFILE_LIMITS,
  profileProblems,
  ROPE_TEXT_LIMIT,
} from "../../../src/kv/model/profile.ts";
import { DEEPSEEK_V3, QWEN3_8B } from "./profiles.ts";

const mha = (change: object): ModelProfile => ({ ...QWEN3_8B, ...change });
const mla = (change: object): ModelProfile => ({ ...DEEPSEEK_V3, ...change });
const nested = (depth: number): object => (depth === 0 ? {} : { deeper: nested(depth - 1) });

describe("profileProblems", () => {
  it("finds none in a usable profile", () => {
    expect([profileProblems(QWEN3_8B), profileProblems(DEEPSEEK_V3)]).toEqual([[], []]);
  });

  it.each(Object.entries(PROFILE_LIMITS))(
    "takes %s from one limit to the other and nothing past them",
    (name, [min, max]) => {
      const base = name in DEEPSEEK_V3 ? mla : mha; // no rule about heads in the way
      const problems = (value: number): string[] =>
        profileProblems(base({ [name]: value })).filter((problem) => problem.startsWith(name));
      const refusal = (value: number): string[] => [
        `${name} ${value} must be an integer from ${min} to ${max}`,
      ];

      expect(problems(min)).toEqual([]);
      expect(problems(min - 1)).toEqual(refusal(min - 1));
      expect(problems(max + 1)).toEqual(refusal(max + 1));
      expect(problems(min + 0.5)).toEqual(refusal(min + 0.5));
      expect(problems(Number.NaN)).toEqual(refusal(Number.NaN));
    },
  );

  it("takes the upper limits", () => {
    const top = mha({ layers: 512, kvHeads: 512, headDim: 1024, tensorParallel: 512 });
    const latent = mla({ loraRank: 65_536, ropeDim: 4096, pageSize: 65_536 });

    expect([profileProblems(top), profileProblems(latent)]).toEqual([[], []]);
  });

  it("wants the ranks to share the heads evenly, where heads are shared", () => {
    expect(profileProblems(mha({ tensorParallel: 3 }))).toEqual([
      "tensorParallel 3 must divide kvHeads 8",
    ]);
    expect(profileProblems(mla({ tensorParallel: 3 }))).toEqual([]);
  });

  it.each(["id", "revision", "weightVersion", "loraAdapter"])(
    "takes %s of 1 to 256 characters that UTF-8 can tell apart",
    (name) => {
      const problems = (text: string): string[] => profileProblems(mha({ [name]: text }));

      expect(problems("x".repeat(256))).toEqual([]);
      expect(problems("")).toEqual([`${name} has 0 characters and must have 1 to 256`]);
      expect(problems("x".repeat(257))).toEqual([
        `${name} has 257 characters and must have 1 to 256`,
      ]);
      expect(problems("\ud800")).toEqual([`${name} must be well-formed Unicode`]);
    },
  );

  it("knows dtypes by name, and none that is only inherited", () => {
    const list = "fp32, bf16, fp16, fp8_e4m3, fp8_e5m2";

    expect(profileProblems(mha({ dtype: "int3" }))).toEqual([`dtype int3 must be one of ${list}`]);
    expect(profileProblems(mha({ dtype: "toString" }))).toEqual([
      `dtype toString must be one of ${list}`,
    ]);
  });

  it("bounds the rope settings in depth, length and kinds of value", () => {
    const problems = (rope: object): string[] => profileProblems(mha({ rope }));
    const text = (length: number): object => ({ a: "x".repeat(length - '{"a":""}'.length) });

    expect(problems(nested(3))).toEqual([]);
    expect(problems(nested(4))).toEqual(["rope must not be nested more than 4 deep"]);
    expect(problems(text(ROPE_TEXT_LIMIT))).toEqual([]);
    expect(problems(text(ROPE_TEXT_LIMIT + 1))).toEqual([
      "rope has 4097 characters and must have <= 4096",
    ]);
    expect(problems({ factor: [1, Infinity] })).toEqual([
      "rope must hold finite numbers and well-formed Unicode only",
    ]);
    expect(problems({ "\udc00": 1 })).toEqual([
      "rope must hold finite numbers and well-formed Unicode only",
    ]);
  });

  it("reports everything at once", () => {
    expect(profileProblems(mha({ id: "", layers: 0, dtype: "x", tensorParallel: 3 }))).toHaveLength(
      4,
    );
  });
});
