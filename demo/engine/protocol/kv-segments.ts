/**
 * Lists of segments as requests name them: which tokens, in which object, from which byte. Refused are the lists that the engines
 * refuse, in their words; what a list leads to is found out when it is used, and nothing of that is ever an error to a client.
 */
import { BadRequest, isObject } from "./bad-request.ts";

export interface KvSegment {
  readonly tokenStart: number;
  /** Of what is to be stored, the most that may be. */
  readonly tokenLength: number;
  readonly kvUri: string;
  readonly kvStart: number;
  readonly kvLength: number | undefined;
}

const REQUIRED = ["token_start", "token_length", "kv_uri", "kv_start"] as const;

/** Sorted by their first token and without gaps; empty for a list that is missing or null. */
export function parseSegments(list: unknown, name: string): readonly KvSegment[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new BadRequest(`${name} must be a list of segments`);
  const segments = list.map(parseSegment).toSorted((a, b) => a.tokenStart - b.tokenStart);
  for (const [index, segment] of segments.entries()) {
    const before = segments[index - 1];
    if (before === undefined || tokenEnd(before) === segment.tokenStart) continue;
    throw new BadRequest(
      `Segments are not contiguous at index ${index}: ...${rangeOf(before)}, ${rangeOf(segment)}...`,
    );
  }
  return segments;
}

/** What is stored must end where what is to be stored starts. */
export function assertAdjacent(stored: readonly KvSegment[], fresh: readonly KvSegment[]): void {
  const last = stored.at(-1);
  const first = fresh[0];
  if (last === undefined || first === undefined || tokenEnd(last) === first.tokenStart) return;
  throw new BadRequest(
    `KV cache segments are not contiguous: old ends at token ${tokenEnd(last)}, but new starts at token ${first.tokenStart}`,
  );
}

export function tokenEnd({ tokenStart, tokenLength }: KvSegment): number {
  return tokenStart + tokenLength;
}

export function formatSegment(segment: KvSegment): object {
  return {
    token_start: segment.tokenStart,
    token_length: segment.tokenLength,
    kv_uri: segment.kvUri,
    kv_start: segment.kvStart,
    kv_length: segment.kvLength ?? null,
  };
}

function parseSegment(value: unknown): KvSegment {
  if (!isObject(value)) throw new BadRequest("a segment must be an object");
  const missing = REQUIRED.filter((name) => !Object.hasOwn(value, name));
  if (missing.length > 0) {
    throw new BadRequest(
      `Missing required fields in segment: ${missing.join(", ")}. Required fields: ${REQUIRED.join(", ")}`,
    );
  }
  const { kv_uri: kvUri, kv_length: kvLength } = value;
  if (typeof kvUri !== "string") throw new BadRequest("kv_uri must be a string");
  return {
    tokenStart: parseCount(value, "token_start", 0),
    tokenLength: parseCount(value, "token_length", 1),
    kvUri,
    kvStart: parseCount(value, "kv_start", 0),
    kvLength:
      kvLength === undefined || kvLength === null ? undefined : parseCount(value, "kv_length", 1),
  };
}

function parseCount(fields: Readonly<Record<string, unknown>>, name: string, least: 0 | 1): number {
  const value = fields[name];
  if (Number.isSafeInteger(value) && Number(value) >= least) return Number(value);
  const kind = least === 0 ? "a non-negative" : "a positive";
  throw new BadRequest(`${name} must be ${kind} integer, got ${String(value)}`);
}

function rangeOf(segment: KvSegment): string {
  return `[${segment.tokenStart}, ${tokenEnd(segment)}]`;
}
