import type { ModelProfile } from "../../src/kv/model/profile.ts";

/** A profile, and what an engine that has it answers to `GET /get_server_info`. */
export const PROFILE: ModelProfile = {
  kind: "mha",
  id: "a/m",
  revision: "r",
  weightVersion: "w1",
  layers: 2,
  kvHeads: 2,
  headDim: 16,
  dtype: "bf16",
  tensorParallel: 2,
  rope: {},
  pageSize: 16,
  loadThreshold: 0,
  loraAdapter: null,
};

export const SERVER_INFO = {
  model_path: "a/m",
  served_model_name: "a/m",
  tp_size: 2,
  page_size: 16,
  kv_cache_dtype: "bf16",
  weight_version: "w1",
  enable_hierarchical_cache: true,
  disable_radix_cache: false,
};
