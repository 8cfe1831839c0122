/**
 * The two spellings in which SGLang's forks take and tell KV: `session_params` with `stored_kv_cache` and `fresh_kv_cache`, and
 * `kvcache_params` with `stored_kvcache` and `fresh_kvcache`. They differ in names, in the members around, and in what a `kv_length`
 * in a request does.
 */
import { optionalString } from "./bad-request.ts";
import type { JsonObject } from "./bad-request.ts";
import { assertAdjacent, formatSegment, parseSegments } from "./kv-segments.ts";
import type { KvSegment } from "./kv-segments.ts";

export interface KvDialect {
  /** Of requests and answers alike. */
  readonly member: "session_params" | "kvcache_params";
  readonly stored: string;
  readonly fresh: string;
  /** Whether nothing is loaded where the request says another length than the engine computes; otherwise it is not looked at. */
  readonly comparesLengths: boolean;
  /** Whether a list of what is to be stored, unless it is empty, opens the session that the member names. */
  readonly opensSessions: boolean;
  /** What an answer has besides the id and the segments. */
  readonly alwaysNull: readonly string[];
}

export const sessionDialect: KvDialect = {
  member: "session_params",
  stored: "stored_kv_cache",
  fresh: "fresh_kv_cache",
  comparesLengths: true,
  opensSessions: true,
  alwaysNull: ["rid", "offset", "replace", "drop_previous_output", "stored_kv_cache"],
};

export const explicitDialect: KvDialect = {
  member: "kvcache_params",
  stored: "stored_kvcache",
  fresh: "fresh_kvcache",
  comparesLengths: false,
  opensSessions: false,
  alwaysNull: ["stored_kvcache", "load_threshold"],
};

/** What one request loads and stores. */
export interface KvRequest {
  readonly dialect: KvDialect;
  readonly id: string | null;
  readonly stored: readonly KvSegment[];
  readonly fresh: readonly KvSegment[];
  readonly opensSession: boolean;
}

/** Undefined where the member names neither list. */
export function parseKvRequest(dialect: KvDialect, params: JsonObject): KvRequest | undefined {
  const names = [dialect.stored, dialect.fresh];
  if (names.every((name) => params[name] === undefined || params[name] === null)) return undefined;
  const stored = parseSegments(params[dialect.stored], dialect.stored);
  const fresh = parseSegments(params[dialect.fresh], dialect.fresh);
  assertAdjacent(stored, fresh);
  const opensSession = dialect.opensSessions && fresh.length > 0;
  return { dialect, id: optionalString(params, "id") ?? null, stored, fresh, opensSession };
}

/** The value of the dialect's member in an answer: before the last event what was asked, with no lengths in bytes. */
export function formatKvReport(request: KvRequest, segments: readonly KvSegment[]): object {
  const { id, dialect } = request;
  return {
    id,
    ...Object.fromEntries(dialect.alwaysNull.map((name) => [name, null])),
    [dialect.fresh]: segments.map(formatSegment),
  };
}
