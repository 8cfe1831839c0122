/** What the parts of the KV half tell about themselves, as metrics and log lines: one observer for each part. */
import type { BytesObserver } from "./api/bytes/bytes-observer.ts";
import type { KvAnswer } from "./api/server.ts";
import type { KvCounter, KvGaugeSources, KvMetrics, KvRow } from "./admin/kv-metrics.ts";
import type { Catalog } from "./kv/catalog.ts";
import type { ChangeEnd } from "./kv/catalog/timed-changes.ts";
import type { Location } from "./kv/location.ts";
import type { OperationEnd } from "./kv/locations/timed.ts";
import type { PathCall, PathObserver } from "./kv/path/path-observer.ts";
import type { Readahead } from "./kv/readahead/readahead.ts";
import type { Segment, SegmentId } from "./kv/records.ts";
import type { SlotDesks } from "./kv/slots/slot-desks.ts";
import type { CommitConflict, TurnObserver } from "./kv/turns/turn-plan.ts";
import type {
  DamageReason,
  UnreadableReason,
  VerifyObserver,
} from "./kv/verify/segment-verifier.ts";
import type { ScrubObserver } from "./kv/verify/scrubber.ts";
import type { EvictionCause, KeeperObserver } from "./kv/upkeep/keeper-observer.ts";
import { AppError } from "./errors.ts";
import { createEngineObserver } from "./kv-engine-observer.ts";
import { catalogGauges } from "./kv-gauges.ts";
import { createSlotObserver, createSlotServerObserver } from "./kv-slot-observer.ts";
import { createReadaheadObserver } from "./kv-readahead-observer.ts";
import { createPredictionObserver } from "./kv-prediction-observer.ts";
import { createReplicaObserver } from "./kv-replica-observer.ts";
import type { Logger } from "./log.ts";

export interface KvObserversOptions {
  readonly log: Logger;
  readonly metrics: KvMetrics;
  /** Locations that name files after sessions: in lines these names are written as session ids are. */
  readonly sessionNamed: ReadonlySet<string>;
}

export type KvObservers = ReturnType<typeof createKvObservers>;

export function createKvObservers(options: KvObserversOptions) {
  showFromTheStart(options.metrics);
  const { log, metrics } = options;
  const orphanBytes = new Map<string, number>();
  let inFlight = 0;
  return {
    /** `next` hears of what it asks for after that is counted. */
    turns: (next: NextObserver) => turnObserver(options, next),
    path: pathObserver(options),
    tokenWorkerLost: (pool: string, reason: unknown) => {
      metrics.add("kv_token_workers_lost_total", 1, pool);
      log.warn("a tokenizer's worker thread was lost", { pool, error: AppError.from(reason) });
    },
    read: (segments: readonly Segment[]) => {
      for (const { file } of segments) metrics.add("kv_segment_reads_total", 1, file.location);
    },
    verifier: verifyObserver(options),
    scrubber: scrubObserver(options),
    keeper: keeperObserver(options, ({ location, orphanBytes: bytes }) => {
      orphanBytes.set(location, bytes);
    }),
    replicas: createReplicaObserver(log, metrics),
    engines: createEngineObserver(log, metrics),
    slotServers: createSlotServerObserver(log),
    /** Of one pool. */
    slots: (pool: string) => createSlotObserver(pool, log, metrics),
    readahead: createReadaheadObserver(log, metrics),
    requests: ({ operation, status, durationMs }: KvAnswer) => {
      metrics.add("kv_requests_total", 1, operation, String(status));
      metrics.observeMs("kv_request_duration_seconds", durationMs, operation);
    },
    quotaRefused: (quota: "sessions" | "pins") => {
      metrics.add("kv_quota_refusals_total", 1, quota);
    },
    /** `unreadable` hears of segments that somebody should look at. */
    bytes: (unreadable: (segment: SegmentId) => void): BytesObserver => ({
      served: ({ result, bytes }) => {
        metrics.add("kv_bytes_requests_total", 1, "GET", result);
        metrics.add("kv_bytes_served_total", bytes);
      },
      received: ({ result, bytes }) => {
        metrics.add("kv_bytes_requests_total", 1, "PUT", result);
        metrics.add("kv_bytes_received_total", bytes);
      },
      inFlight: (bytes) => (inFlight = bytes),
      unreadable: ({ id }, fault) => {
        log.warn("bytes of a segment cannot be read", { segment: id, error: fault });
        unreadable(id);
      },
      unserved: () => metrics.add("kv_bytes_requests_total", 1, "GET", "fault"),
      notWhole: ({ id }, { kind, reason }) => {
        log.warn("a segment is not as it was, and was not sent", { segment: id, reason });
        if (kind === "unreadable") unreadable(id);
      },
    }),
    changes: ({ rule, durationMs }: ChangeEnd) => {
      metrics.observeMs("kv_catalog_change_duration_seconds", durationMs, rule);
    },
    locations: ({ operation, durationMs, fault }: OperationEnd) => {
      metrics.observeMs("kv_io_duration_seconds", durationMs, operation);
      if (fault !== undefined) metrics.add("kv_io_faults_total", 1, operation, fault);
    },
    gauges: ({
      catalog,
      locations,
      verifying,
      engines,
      readahead,
      slots,
    }: GaugeOwners): KvGaugeSources => {
      return {
        kv_bytes_in_flight: () => [[inFlight]],
        kv_verifying: () => [[verifying()]],
        kv_engines: engines,
        kv_slot_residents: () => loadsOf(slots(), "residents"),
        kv_slot_waiting: () => loadsOf(slots(), "waiting"),
        kv_readahead_queue: () => [[readahead().copies]],
        kv_readahead_queue_bytes: () => [[readahead().bytes]],
        kv_orphan_bytes: () => [...locations.keys()].map((id) => [orphanBytes.get(id) ?? 0, id]),
        ...catalogGauges(catalog, locations),
      };
    },
  };
}

interface GaugeOwners {
  readonly catalog: Pick<Catalog, "totals">;
  readonly locations: ReadonlyMap<string, Location>;
  readonly verifying: () => number;
  /** How many, by pool and state. */
  readonly engines: () => Iterable<KvRow>;
  readonly readahead: () => Readahead["load"];
  /** By pool. */
  readonly slots: () => ReadonlyMap<string, SlotDesks["load"]>;
}

function loadsOf(
  loads: ReadonlyMap<string, SlotDesks["load"]>,
  of: keyof SlotDesks["load"],
): KvRow[] {
  return Array.from(loads, ([pool, load]) => [load[of], pool]);
}

type NextObserver = Pick<TurnObserver, "settled" | "stored">;

function turnObserver({ log, metrics }: KvObserversOptions, next: NextObserver): TurnObserver {
  return {
    stored: (last) => next.stored(last),
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
    settled: (segment, outcome) => {
      metrics.add("kv_segments_settled_total", 1, outcome.kind);
      next.settled(segment, outcome);
    },
    unverified: ({ id }, cause) => {
      const result = cause === "queue_full" ? cause : "failed";
      metrics.add("kv_verifications_total", 1, result);
      if (cause instanceof Error) {
        log.error("verification failed; the segment is not listed", { segment: id, error: cause });
      }
    },
  };
}

function pathObserver({ log, metrics }: KvObserversOptions): PathObserver {
  return {
    begun: ({ pool, plan, promptTokens, reusedTokens, heldMs }) => {
      metrics.add("kv_turns_total", 1, pool, plan);
      metrics.add("kv_turn_prompt_tokens_total", promptTokens, pool);
      metrics.add("kv_turn_reused_tokens_total", reusedTokens, pool);
      metrics.observeMs("kv_turn_held_seconds", heldMs, pool);
    },
    spent: ({ pool, part, elapsedMs }) => {
      metrics.observeMs("kv_turn_part_seconds", elapsedMs, pool, part);
    },
    measured: createPredictionObserver(metrics),
    ended: ({ pool, end }) => metrics.add("kv_turn_ends_total", 1, pool, end),
    failed: (call, error) => {
      metrics.add("kv_turn_failures_total", 1, call);
      log.error("a turn goes on without the KV service", { call, error: AppError.from(error) });
    },
  };
}

function verifyObserver({ log, metrics }: KvObserversOptions): VerifyObserver {
  return {
    verified: ({ result, bytes, passes, durationMs }) => {
      metrics.add("kv_verifications_total", 1, result);
      metrics.add("kv_verified_bytes_total", bytes * passes, "verify");
      if (result !== "durable") log.debug("segment dropped", { reason: result, bytes, durationMs });
    },
    rechecked: ({ result, bytes }) => {
      metrics.add("kv_rechecks_total", 1, result);
      metrics.add("kv_verified_bytes_total", bytes, "recheck");
      if (result === "ok" || result === "queue_full" || result === "closed") return;
      log.warn("a listed segment cannot be used", { reason: result, bytes });
    },
  };
}

function scrubObserver({ log, metrics }: KvObserversOptions): ScrubObserver {
  return {
    scrubbed: ({ result, bytes }) => {
      metrics.add("kv_scrubbed_total", 1, result);
      metrics.add("kv_verified_bytes_total", bytes, "scrub");
      if (result !== "ok" && result !== "gone") {
        log.warn("the scrubber met a segment that is not whole", { reason: result, bytes });
      }
    },
    roundEnded: ({ segments, durationMs, isLate }) => {
      metrics.add("kv_scrub_rounds_total", 1, isLate ? "late" : "in_time");
      if (isLate) log.warn("the scrubber is behind its interval", { segments, durationMs });
    },
    notSoon: () => metrics.add("kv_scrubs_put_off_total", 1),
    failed: (error) => {
      metrics.add("kv_upkeep_failures_total", 1, "scrub");
      log.error("the scrubber failed; it goes on later", { error });
    },
  };
}

function keeperObserver(
  { log, metrics, sessionNamed }: KvObserversOptions,
  stockTaken: KeeperObserver["stockTaken"],
): KeeperObserver {
  const nameIn = (location: string, name: string) =>
    sessionNamed.has(location) ? log.sessionId(name) : name;
  return {
    swept: ({ abortedTurns, expiredSessions, expiredPrefixes, lapsedPins, brokenRecords }) => {
      metrics.add("kv_swept_total", abortedTurns, "turn");
      metrics.add("kv_swept_total", expiredSessions, "session");
      metrics.add("kv_swept_total", expiredPrefixes, "prefix");
      metrics.add("kv_swept_total", lapsedPins, "pin");
      metrics.add("kv_broken_records_total", brokenRecords);
      if (brokenRecords === 0) return;
      log.error("records of the catalog cannot be read; kv check --repair mends it", {
        records: brokenRecords,
      });
    },
    unlinked: ({ file, result }) => {
      metrics.add("kv_unlinks_total", 1, result);
      if (result !== "removed" && result !== "absent") {
        const { location, name } = file;
        log.warn("a file was not removed", {
          location,
          name: nameIn(location, name),
          reason: result,
        });
      }
    },
    evicted: ({ location, cause, files, segments, copies, bytes, expiredSessions }) => {
      metrics.add("kv_evicted_total", files, "file", cause);
      metrics.add("kv_evicted_total", segments, "segment", cause);
      metrics.add("kv_evicted_total", copies, "copy", cause);
      metrics.add("kv_evicted_total", bytes, "byte", cause);
      metrics.add("kv_swept_total", expiredSessions, "session");
      if (files === 0) return;
      log.info("evicted for want of space", { location, cause, files, segments, copies, bytes });
    },
    compacted: ({ result, segment, location }) => {
      metrics.add("kv_compacted_total", 1, result);
      if (result !== "moved" && result !== "gone" && result !== "cancelled") {
        log.warn("a segment was not moved", { segment, location, reason: result });
      }
    },
    stockTaken: (stock) => {
      stockTaken(stock);
      log.debug("took stock", { ...stock });
      if (stock.orphans === 0) return;
      const { location, orphans: files, orphanBytes: bytes } = stock;
      log.warn("files that the catalog does not know", { location, files, bytes });
    },
    orphan: (location, name) =>
      log.debug("a file that the catalog does not know", {
        location,
        name: nameIn(location, name),
      }),
    failed: (part, error) => {
      metrics.add("kv_upkeep_failures_total", 1, part);
      log.error("a part of the upkeep failed; it is tried again", { part, error });
    },
    passEnded: (durationMs) => metrics.observeMs("kv_upkeep_duration_seconds", durationMs),
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
const PATH_CALLS: Readonly<Record<PathCall, true>> = {
  weigh: true,
  begin: true,
  create: true,
  commit: true,
  abort: true,
  end: true,
  prefetch: true,
};
const EVICTION_CAUSES: Readonly<Record<EvictionCause, true>> = { full: true, headroom: true };

/** Values whose first event may be what an alert waits for. */
function showFromTheStart(metrics: KvMetrics): void {
  const show = (name: KvCounter, labels: Readonly<Record<string, unknown>> | readonly string[]) => {
    const values = Array.isArray(labels) ? labels : Object.keys(labels);
    for (const value of values as readonly string[]) metrics.add(name, 0, value);
  };
  show("kv_commits_total", { accepted: true, ...CONFLICTS });
  show("kv_turn_failures_total", PATH_CALLS);
  show("kv_rechecks_total", READ_RESULTS);
  show("kv_quota_refusals_total", ["bytes", "sessions", "pins"]);
  show("kv_scrubbed_total", { ...READ_RESULTS, gone: true });
  show("kv_swept_total", ["turn", "session", "prefix", "pin"]);
  for (const what of ["file", "segment", "copy", "byte"]) {
    for (const cause of Object.keys(EVICTION_CAUSES)) {
      metrics.add("kv_evicted_total", 0, what, cause);
    }
  }
  show("kv_upkeep_failures_total", ["sweep", "evict", "compact", "replicate", "stock", "scrub"]);
  show("kv_segments_settled_total", ["durable", "duplicate", "dropped", "conflict"]);
}
