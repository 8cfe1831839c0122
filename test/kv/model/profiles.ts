import type { MhaProfile, MlaProfile } from "../../../src/kv/model/profile.ts";

/** The seed's model: pages of one token and no threshold, as its example needs them. */
export const QWEN3_8B: MhaProfile = {
  kind: "mha",
  id: "Qwen/Qwen3-8B",
  revision: "main",
  weightVersion: "default",
  layers: 36,
  kvHeads: 8,
  headDim: 128,
  dtype: "bf16",
  tensorParallel: 1,
  rope: { rope_theta: 1_000_000, rope_scaling: null },
  pageSize: 1,
  loadThreshold: 0,
  loraAdapter: null,
};

export const DEEPSEEK_V3: MlaProfile = {
  kind: "mla",
  id: "deepseek-ai/DeepSeek-V3",
  revision: "main",
  weightVersion: "default",
  layers: 61,
  loraRank: 512,
  ropeDim: 64,
  dtype: "bf16",
  tensorParallel: 8,
  rope: {
    rope_theta: 10_000,
    rope_scaling: { type: "yarn", factor: 40, original_max_position_embeddings: 4096 },
  },
  pageSize: 64,
  loadThreshold: 256,
  loraAdapter: null,
};
