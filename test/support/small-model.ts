/** The model of turns in tests. */
import type { MhaProfile } from "../../src/kv/model/profile.ts";

/** 32 bytes for each token, so that a file is read in no time. */
export const SMALL: MhaProfile = {
  kind: "mha",
  id: "small",
  revision: "main",
  weightVersion: "default",
  layers: 1,
  kvHeads: 1,
  headDim: 8,
  dtype: "bf16",
  tensorParallel: 1,
  rope: {},
  pageSize: 1,
  loadThreshold: 0,
  loraAdapter: null,
};
export const SMALL_TOKEN_BYTES = 32;
