/**
 * The three things that are hashed, so that none of them can equal another within one namespace:
 *
 *     grid    SHA-256( [0x00, text only]  previous grid digest  one step of units )
 *     leaf    SHA-256( 0x01  grid digest before it  the remaining units )
 *     start   32 zero bytes, or SHA-256( 0x02  SHA-256(extra key)  SHA-256(cache salt)  [SHA-256(special tokens), text only] )
 *
 * A grid digest of tokens has no tag and, in a plain chain, no previous digest in its first step: then it is, page by page, the key
 * under which SGLang's HiCache stores that page. It needs no tag either, since what it hashes is a multiple of 4 bytes long and
 * leaf and start never are.
 *
 * One hash for each grid step, also where a step is several pages: one for each page of 1 or 16 tokens would cost 64 or 4 times as
 * much, for digests between grid points that nothing looks up. So HiCache's keys come out where pages have 64 tokens or more.
 */
import { DIGEST_BYTES, type Digest, type Digests } from "../digest.ts";
import { TOKEN_BYTES } from "./token-bytes.ts";

/** A unit is what a chain counts in: a token, or a byte of text. */
export interface ChainFormat {
  readonly unitBytes: number;
  readonly stepUnits: number;
  /** Comes before everything else in a grid step. */
  readonly gridTag: Uint8Array;
}

const LEAST_STEP_TOKENS = 64;
const TEXT_STEP_BYTES = 256;

const NO_TAG = new Uint8Array(0);
const TEXT_GRID_TAG = Uint8Array.of(0);
export const LEAF_TAG = Uint8Array.of(1);
const START_TAG = Uint8Array.of(2);

/** Bytes of UTF-8. */
export const TEXT_CHAIN: ChainFormat = {
  unitBytes: 1,
  stepUnits: TEXT_STEP_BYTES,
  gridTag: TEXT_GRID_TAG,
};

export function tokenChain(pageSize: number): ChainFormat {
  return { unitBytes: TOKEN_BYTES, stepUnits: gridTokens(pageSize), gridTag: NO_TAG };
}

/** The least multiple of the page size that is at least 64: 64 for pages of 1, 16 and 64, 96 for 48, 128 for 128. */
export function gridTokens(pageSize: number): number {
  return Math.ceil(LEAST_STEP_TOKENS / pageSize) * pageSize;
}

/** A position on the absolute grid, with the digest of everything before it. */
export interface GridPoint {
  /** Units from the start; a multiple of the step. */
  readonly at: number;
  readonly digest: Digest;
}

/**
 * What a request asks to be kept apart by, besides its tenant. Absent and empty are the same; a lone surrogate counts as U+FFFD,
 * as in every UTF-8 encoder.
 */
export interface ChainContext {
  readonly extraKey?: string | undefined;
  readonly cacheSalt?: string | undefined;
}

/** The grid point 0 of a chain without extra key and salt: no SHA-256 is known to be all zero. */
export const PLAIN_START: GridPoint = { at: 0, digest: new Uint8Array(DIGEST_BYTES) };

/** `specialTokens`: of a text, what it was split at. Where that was a mistake, nothing is found that was stored by it. */
export function chainStart(context: ChainContext, digests: Digests, specialTokens = ""): GridPoint {
  const { extraKey = "", cacheSalt = "" } = context;
  if (extraKey === "" && cacheSalt === "" && specialTokens === "") return PLAIN_START;
  const apart = [extraKey, cacheSalt, ...(specialTokens === "" ? [] : [specialTokens])];
  const hashed = apart.map((text) => digests.sha256(new TextEncoder().encode(text)));
  return { at: 0, digest: digests.sha256(START_TAG, ...hashed) };
}
