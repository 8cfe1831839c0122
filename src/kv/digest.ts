/** SHA-256 for the KV core, which takes it as an argument; `src/digests.ts` makes it of the platform's. */

/** 32 bytes. Never written to after it was made. */
export type Digest = Uint8Array;

export const DIGEST_BYTES = 32;

export interface Digests {
  /** SHA-256 of the parts one after the other. */
  sha256(...parts: readonly Uint8Array[]): Digest;
  /** HMAC-SHA-256 (RFC 2104) of the parts one after the other. */
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Digest;
}
