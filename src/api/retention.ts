import type { Retention } from "../kv/records.ts";
import type { KvApiPorts } from "./ports.ts";
import { invalidField } from "./refusals.ts";

export interface RetentionWish {
  readonly retention_class?: string | undefined;
  readonly ttl_ms?: number | undefined;
}

/** The class that is named, else the one to start from. Throws where there is no such class, or the TTL is longer than the class's. */
export function retentionOf(
  { retention_class: name, ttl_ms: ttlMs }: RetentionWish,
  otherwise: Retention,
  { retention }: Pick<KvApiPorts, "retention">,
): Retention {
  const found = name === undefined ? otherwise : retention.lookup(name);
  if (found === undefined) {
    const limit = "a configured retention class";
    throw invalidField({ field: "retention_class", value: name ?? "", limit });
  }
  // A session's own TTL may be shorter than its class's by now; the class says how long it may be.
  const longestMs = (retention.lookup(found.name) ?? found).ttlMs;
  if (ttlMs === undefined || ttlMs <= longestMs) return { ...found, ttlMs: ttlMs ?? found.ttlMs };
  const limit = `at most ${longestMs}, the class's own`;
  throw invalidField({ field: "ttl_ms", value: String(ttlMs), limit });
}
