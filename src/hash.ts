/** XXH64 for the core, which takes it as an argument: `xxhash-wasm`, since 64-bit arithmetic is native there. */
import xxhash from "xxhash-wasm";
import type { Hash64 } from "./affinity/ring.ts";

/** Compiles the WebAssembly module; do it once per process. A lone surrogate is hashed as U+FFFD, as in every UTF-8 encoder. */
export async function createHash64(): Promise<Hash64> {
  const api = await xxhash();
  return (text) => api.h64(text);
}
