/** What the parts of the KV half tell about themselves, as metrics and log lines: one observer for each part. */
import type { BytesObserver } from "./api/bytes/bytes-observer.ts";
import type { KvCounter, KvMetrics } from "./admin/kv-metrics.ts";
import type { OperationEnd } from "./kv/locations/timed.ts";
import type { CommitConflict, TurnObserver } from "./kv/turns/turn-plan.ts";
import type {
  DamageReason,
  UnreadableReason,
  VerifyObserver,
} from "./kv/verify/segment-verifier.ts";
import type { Logger } from "./log.ts";

export interface KvObserversOptions {
  readonly log: Logger;
  readonly metrics: KvMetrics;
}

export type KvObservers = ReturnType<typeof createKvObservers>;

export function createKvObservers(options: KvObserversOptions) {
  showFromTheStart(options.metrics);
  return {
    turns: turnObserver(options),
    verifier: verifyObserver(options),
    bytes: bytesObserver(options),
    locations: ({ operation, durationMs, fault }: OperationEnd) => {
      options.metrics.observeMs("kv_io_duration_seconds", durationMs, operation);
      if (fault !== undefined) options.metrics.add("kv_io_faults_total", 1, operation, fault);
    },
  };
}

function turnObserver({ log, metrics }: KvObserversOptions): TurnObserver {
  return {
    planned: ({ limit, fresh, promptTokens, storedTokens }) => {
      metrics.add("kv_plans_total", 1, limit);
      metrics.add("kv_prompt_tokens_total", promptTokens);
      metrics.add("kv_found_tokens_total", storedTokens);
      metrics.add("kv_unlisted_tokens_total", promptTokens - storedTokens, limit);
      const result = fresh.kind === "reserved" ? fresh.kind : fresh.reason;
      metrics.add("kv_reservations_total", 1, result);
      if (result === "quota_bytes") metrics.add("kv_quota_refusals_total", 1, "bytes");
    },
    committed: (outcome) => {
      const result = outcome.kind === "accepted" ? outcome.kind : outcome.reason;
      metrics.add("kv_commits_total", 1, result);
      if (outcome.kind !== "accepted") return;
      for (const { reason } of outcome.dropped) metrics.add("kv_segments_settled_total", 1, reason);
    },
    aborted: (reason) => metrics.add("kv_aborts_total", 1, reason),
    settled: (_segment, { kind }) => metrics.add("kv_segments_settled_total", 1, kind),
    unverified: ({ id }, cause) => {
      const result = cause === "queue_full" ? cause : "failed";
      metrics.add("kv_verifications_total", 1, result);
      if (cause instanceof Error) {
        log.error("verification failed; the segment is not listed", { segment: id, error: cause });
      }
    },
  };
}

function verifyObserver({ log, metrics }: KvObserversOptions): VerifyObserver {
  return {
    verified: ({ result, bytes, passes, durationMs }) => {
      metrics.add("kv_verifications_total", 1, result);
      metrics.add("kv_verified_bytes_total", bytes * passes, "verify");
      if (result !== "durable") log.info("segment dropped", { reason: result, bytes, durationMs });
    },
    rechecked: ({ result, bytes }) => {
      metrics.add("kv_rechecks_total", 1, result);
      metrics.add("kv_verified_bytes_total", bytes, "recheck");
      if (result !== "ok") log.warn("a listed segment cannot be used", { reason: result, bytes });
    },
  };
}

function bytesObserver({ log, metrics }: KvObserversOptions): BytesObserver {
  return {
    served: ({ result, bytes }) => {
      metrics.add("kv_bytes_requests_total", 1, "GET", result);
      metrics.add("kv_bytes_served_total", bytes);
    },
    received: ({ result, bytes }) => {
      metrics.add("kv_bytes_requests_total", 1, "PUT", result);
      metrics.add("kv_bytes_received_total", bytes);
    },
    inFlight: () => {},
    unreadable: ({ id }, fault) => {
      log.warn("bytes of a segment cannot be read", { segment: id, error: fault });
    },
  };
}

const CONFLICTS: Readonly<Record<CommitConflict, true>> = {
  unknown_turn: true,
  already_reported: true,
  other_prompt: true,
  location_unknown: true,
};
const READ_RESULTS: Readonly<Record<"ok" | DamageReason | UnreadableReason, true>> = {
  ok: true,
  crc: true,
  missing: true,
  truncated: true,
  not_ours: true,
  io: true,
  queue_full: true,
  closed: true,
};

/** Values whose first event may be what an alert waits for. */
function showFromTheStart(metrics: KvMetrics): void {
  const show = (name: KvCounter, labels: Readonly<Record<string, unknown>> | readonly string[]) => {
    const values = Array.isArray(labels) ? labels : Object.keys(labels);
    for (const value of values as readonly string[]) metrics.add(name, 0, value);
  };
  show("kv_commits_total", { accepted: true, ...CONFLICTS });
  show("kv_rechecks_total", READ_RESULTS);
  show("kv_quota_refusals_total", ["bytes", "sessions", "pins"]);
  show("kv_segments_settled_total", ["durable", "duplicate", "dropped", "conflict"]);
}
