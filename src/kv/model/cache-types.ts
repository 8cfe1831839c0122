/** What llama.cpp keeps keys and values as (`--cache-type-k`, `--cache-type-v`), by its own names. */
export const CACHE_TYPES = [
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "q4_0",
  "q4_1",
  "iq4_nl",
  "q5_0",
  "q5_1",
] as const;

export type CacheType = (typeof CACHE_TYPES)[number];
