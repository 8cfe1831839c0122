/** Which of the listed segments an engine loads and what of the fresh ones it stores: SGLang's rules, without any bytes. */
import type { KvRequest } from "../protocol/kv-dialects.ts";
import { tokenEnd } from "../protocol/kv-segments.ts";
import type { KvSegment } from "../protocol/kv-segments.ts";

export interface StorageRules {
  /** Tokens. Only segments that start and end at multiples of it are loaded or stored. */
  readonly pageSize: number;
  /** Tokens. No more than so many are not worth loading. */
  readonly loadThreshold: number;
  readonly bytesPerToken: number;
}

/**
 * The segments that are not wholly in the first `heldTokens`, which the engine has anyway; all of them, or none: one that is out of
 * place spoils the list.
 */
export function segmentsToLoad(
  { dialect, stored }: KvRequest,
  heldTokens: number,
  rules: StorageRules,
): readonly KvSegment[] {
  const needed = stored.filter((segment) => tokenEnd(segment) > heldTokens);
  const [first, last] = [needed[0], needed.at(-1)];
  if (first === undefined || last === undefined) return [];
  const fits = (segment: KvSegment) =>
    segment.tokenStart % rules.pageSize === 0 &&
    segment.tokenLength % rules.pageSize === 0 &&
    !(dialect.comparesLengths && isOtherLength(segment, rules));
  const isWorthIt = tokenEnd(last) - heldTokens > rules.loadThreshold;
  return isWorthIt && first.tokenStart <= heldTokens && needed.every(fits) ? needed : [];
}

/** The fresh segments as far as whole pages of the first `tokens` fill them, with their lengths in bytes. */
export function segmentsToSave(
  { fresh }: KvRequest,
  tokens: number,
  { pageSize, bytesPerToken }: StorageRules,
): readonly KvSegment[] {
  const end = tokens - (tokens % pageSize);
  return fresh
    .filter(({ tokenStart }) => tokenStart < end)
    .map((segment) => {
      const tokenLength = Math.min(tokenEnd(segment), end) - segment.tokenStart;
      return { ...segment, tokenLength, kvLength: tokenLength * bytesPerToken };
    });
}

function isOtherLength({ tokenLength, kvLength }: KvSegment, { bytesPerToken }: StorageRules) {
  return kvLength !== undefined && kvLength !== tokenLength * bytesPerToken;
}
