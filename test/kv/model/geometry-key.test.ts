import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDigests } from "../../../src/digests.ts";
import { canonicalJson, type JsonValue } from "../../../src/kv/model/canonical-json.ts";
import {
  type ChainKind,
  geometryKey,
  geometryText,
  GEOMETRY_KEY_BYTES,
} from "../../../src/kv/model/geometry-key.ts";
import type { ModelProfile } from "../../../src/kv/model/profile.ts";
import { DEEPSEEK_V3, QWEN3_8B } from "./profiles.ts";

const digests = createDigests();

function keyOf(profile: ModelProfile, chainKind: ChainKind = "engine"): string {
  return Buffer.from(geometryKey({ profile, chainKind }, digests)).toString("hex");
}

/** The same value with the keys of every object the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toReversed();
  return Object.fromEntries(entries.map(([name, item]) => [name, reversed(item)]));
}

/** One other allowed value for each field; a field without one here fails to compile. */
const OTHER_COMMON = {
  id: "other",
  revision: "other",
  weightVersion: "other",
  layers: 35,
  dtype: "fp16",
  tensorParallel: 2,
  rope: { rope_theta: 1_000_001, rope_scaling: null },
  pageSize: 2,
  loadThreshold: 1,
  loraAdapter: "adapter",
} as const;
const OTHER_MHA = { ...OTHER_COMMON, kvHeads: 4, headDim: 64 } satisfies Others<typeof QWEN3_8B>;
const OTHER_MLA = { ...OTHER_COMMON, loraRank: 256, ropeDim: 32 } satisfies Others<
  typeof DEEPSEEK_V3
>;
type Others<P> = { readonly [K in Exclude<keyof P, "kind">]: P[K] };

describe("the geometry key", () => {
  it.each([
    ["mha", QWEN3_8B, OTHER_MHA],
    ["mla", DEEPSEEK_V3, OTHER_MLA],
  ])("of %s changes with every field of the profile", (_, profile, others) => {
    const changed = Object.entries(others).map(([name, value]) =>
      keyOf({ ...profile, [name]: value }),
    );
    const keys = new Set([keyOf(profile), ...changed]);

    expect(keys.size).toBe(1 + Object.keys(profile).length - 1);
  });

  it("differs for mha and mla, and for each kind of chain", () => {
    const kinds = (["engine", "tokenizer", "text"] as const).map((kind) => keyOf(QWEN3_8B, kind));

    expect(new Set([...kinds, keyOf(DEEPSEEK_V3)]).size).toBe(4);
  });

  it("is the same whatever the order of keys, at every depth", () => {
    expect(keyOf(reversed(DEEPSEEK_V3) as ModelProfile)).toBe(keyOf(DEEPSEEK_V3));
  });

  it("does not change with what is no field of a profile", () => {
    expect(keyOf({ ...QWEN3_8B, comment: "mine" } as ModelProfile)).toBe(keyOf(QWEN3_8B));
  });

  it("is a version byte and 32 bytes", () => {
    expect(keyOf(QWEN3_8B)).toHaveLength(2 * GEOMETRY_KEY_BYTES);
    expect(keyOf(QWEN3_8B).slice(0, 2)).toBe("01");
  });

  it("is refused to a profile with problems, which could look like another", () => {
    const textOf = (change: object) => () =>
      geometryText({ profile: { ...QWEN3_8B, ...change }, chainKind: "engine" });

    expect(textOf({ rope: { rope_theta: Number.NaN } })).toThrow(
      "model profile: rope must hold finite numbers and well-formed Unicode only",
    );
    expect(textOf({ layers: 0 })).toThrow(
      "model profile: layers 0 must be an integer from 1 to 512",
    );
  });
});

describe("canonical JSON", () => {
  it("says the same as JSON and depends on no order of keys", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as JsonValue);

        expect(JSON.parse(text ?? "undefined")).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value) as JsonValue)).toBe(text);
      }),
    );
  });

  it("orders keys by UTF-16 code units and writes numbers as ECMAScript does", () => {
    const value = { "\u{1f600}": 1e21, "\ufb33": -0, b: 1e-7, a: [true, null, "\n\u2028"] };

    expect(canonicalJson(value)).toBe(
      '{"a":[true,null,"\\n\u2028"],"b":1e-7,"\u{1f600}":1e+21,"\ufb33":0}',
    );
  });

  it("is undefined for what JSON cannot tell apart, however deep", () => {
    const strange = [Number.NaN, Infinity, "\ud800", [[-Infinity]], { a: { "\udfff": 1 } }];

    expect(strange.map(canonicalJson)).toEqual(strange.map(() => undefined));
  });
});
