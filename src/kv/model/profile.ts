/**
 * The model profile: everything that a segment's bytes depend on besides the tokens, and the two rules of the engine about which
 * prefixes it loads. The operator writes it for each pool; the layout of segments and the geometry key follow from it.
 */
import { canonicalJson, isDeeper, type JsonObject } from "./canonical-json.ts";

/** Bytes of one element, by dtype of the engine's KV pool (what it stores, not what it computes in). */
export const DTYPE_BYTES = { fp32: 4, bf16: 2, fp16: 2, fp8_e4m3: 1, fp8_e5m2: 1 } as const;
export type KvDtype = keyof typeof DTYPE_BYTES;

interface CommonProfile {
  readonly id: string;
  /** Of the model's files, as a hub or a registry names it. */
  readonly revision: string;
  /** Of the weights that an engine has loaded, where they change without a new revision. */
  readonly weightVersion: string;
  readonly layers: number;
  readonly dtype: KvDtype;
  readonly tensorParallel: number;
  /** As the model's configuration has them. Only ever compared. */
  readonly rope: JsonObject;
  /** Tokens. The engine loads only segments that start and end at multiples of it. */
  readonly pageSize: number;
  /** Tokens. The engine loads a prefix only when it is longer. */
  readonly loadThreshold: number;
  readonly loraAdapter: string | null;
}

/** Keys and values by head: multi-head, grouped-query and multi-query attention. Each rank has its share of the heads. */
export interface MhaProfile extends CommonProfile {
  readonly kind: "mha";
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Multi-head latent attention: one latent vector for each token and layer, the same on every rank and stored once. */
export interface MlaProfile extends CommonProfile {
  readonly kind: "mla";
  readonly loraRank: number;
  readonly ropeDim: number;
}

export type ModelProfile = MhaProfile | MlaProfile;

/** A segment of this many tokens of the largest profile is 2^51 bytes, so sizes and offsets within one are exact. */
export const SEGMENT_TOKENS_LIMIT = 1_048_576;

/** Inclusive. Page size and threshold are below what a segment can hold, or nothing would ever be loaded. */
export const PROFILE_LIMITS = {
  layers: [1, 512],
  tensorParallel: [1, 512],
  pageSize: [1, 65_536],
  loadThreshold: [0, SEGMENT_TOKENS_LIMIT - 1],
  kvHeads: [1, 512],
  headDim: [1, 1024],
  loraRank: [1, 65_536],
  ropeDim: [0, 4096],
} as const satisfies Record<string, readonly [number, number]>;

export const PROFILE_TEXT_LIMIT = 256;
export const ROPE_TEXT_LIMIT = 4096;
export const ROPE_DEPTH_LIMIT = 4;

/** Every rule that the profile breaks, each naming the field, the value and the limit; empty for a usable one. */
export function profileProblems(profile: ModelProfile): string[] {
  const { id, revision, weightVersion, loraAdapter, rope } = profile;
  const names = loraAdapter === null ? {} : { loraAdapter };
  return [
    ...textProblems({ id, revision, weightVersion, ...names }),
    ...numberProblems(countsOf(profile)),
    ...dtypeProblems(profile.dtype),
    ...headProblems(profile),
    ...ropeProblems(rope),
  ];
}

type CountName = keyof typeof PROFILE_LIMITS;

function countsOf(profile: ModelProfile): Partial<Record<CountName, number>> {
  const { layers, tensorParallel, pageSize, loadThreshold } = profile;
  const common = { layers, tensorParallel, pageSize, loadThreshold };
  return profile.kind === "mha"
    ? { ...common, kvHeads: profile.kvHeads, headDim: profile.headDim }
    : { ...common, loraRank: profile.loraRank, ropeDim: profile.ropeDim };
}

function numberProblems(counts: Partial<Record<CountName, number>>): string[] {
  return Object.entries(counts).flatMap(([name, value]) => {
    const [min, max] = PROFILE_LIMITS[name as CountName];
    if (Number.isInteger(value) && value >= min && value <= max) return [];
    return [`${name} ${value} must be an integer from ${min} to ${max}`];
  });
}

/** Two texts that differ must differ in UTF-8 too, where every lone surrogate would become the same character. */
function textProblems(texts: Readonly<Record<string, string>>): string[] {
  return Object.entries(texts).flatMap(([name, text]) => {
    if (text.length < 1 || text.length > PROFILE_TEXT_LIMIT) {
      return [`${name} has ${text.length} characters and must have 1 to ${PROFILE_TEXT_LIMIT}`];
    }
    return text.isWellFormed() ? [] : [`${name} must be well-formed Unicode`];
  });
}

function dtypeProblems(dtype: string): string[] {
  if (Object.hasOwn(DTYPE_BYTES, dtype)) return [];
  return [`dtype ${dtype} must be one of ${Object.keys(DTYPE_BYTES).join(", ")}`];
}

function headProblems(profile: ModelProfile): string[] {
  if (profile.kind === "mla" || profile.kvHeads % profile.tensorParallel === 0) return [];
  return [`tensorParallel ${profile.tensorParallel} must divide kvHeads ${profile.kvHeads}`];
}

function ropeProblems(rope: JsonObject): string[] {
  if (isDeeper(rope, ROPE_DEPTH_LIMIT)) {
    return [`rope must not be nested more than ${ROPE_DEPTH_LIMIT} deep`];
  }
  const text = canonicalJson(rope);
  if (text === undefined) return ["rope must hold finite numbers and well-formed Unicode only"];
  if (text.length <= ROPE_TEXT_LIMIT) return [];
  return [`rope has ${text.length} characters and must have <= ${ROPE_TEXT_LIMIT}`];
}
