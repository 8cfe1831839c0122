/**
 * SHA-256 and HMAC-SHA-256 for the KV core, which takes them as an argument.
 *
 * Chains and index keys hash a few hundred bytes at a time, thousands of times for one prompt, so what counts is the cost of a
 * call. Node's one-shot `hash` takes less than a `Hash` object, and `createHmac` several times as much as both; HMAC is therefore
 * put together here, from two one-shot hashes.
 */
import { hash } from "node:crypto";
import type { Digests } from "./kv/digest.ts";

/** SHA-256 works on blocks of 64 bytes, and so does the key of an HMAC. */
const BLOCK_BYTES = 64;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

/** Grows to the longest message; a grid step of 64 tokens is 288 bytes. */
const FIRST_SCRATCH_BYTES = 4096;

export function createDigests(): Digests {
  let scratch = Buffer.alloc(FIRST_SCRATCH_BYTES);

  function sha256(...parts: readonly Uint8Array[]): Uint8Array {
    const [only] = parts;
    if (only !== undefined && parts.length === 1) return hash("sha256", only, "buffer");
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (bytes > scratch.length) scratch = Buffer.alloc(2 * bytes);
    let end = 0;
    for (const part of parts) {
      scratch.set(part, end);
      end += part.length;
    }
    return hash("sha256", scratch.subarray(0, end), "buffer");
  }

  return {
    sha256,
    hmacSha256(key, ...parts) {
      const short = key.length > BLOCK_BYTES ? sha256(key) : key;
      const inner = sha256(padded(short, INNER_PAD), ...parts);
      return sha256(padded(short, OUTER_PAD), inner);
    },
  };
}

/** The key, filled up to a block with zeros. */
function padded(key: Uint8Array, pad: number): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES).fill(pad);
  for (let i = 0; i < key.length; i++) block[i] = (key[i] as number) ^ pad;
  return block;
}
