/** What readahead tells about itself, as metrics and log lines. */
import type { KvMetrics } from "./admin/kv-metrics.ts";
import { AppError } from "./errors.ts";
import type { GateObserver, HoldOutcome } from "./kv/readahead/gate.ts";
import type { ReadaheadObserver } from "./kv/readahead/readahead.ts";
import type { Logger } from "./log.ts";

const LEFT = { no_room: true, queue_full: true, failed: true } as const;
const OUTCOMES: Readonly<Record<HoldOutcome, true>> = {
  near: true,
  opened_early: true,
  late: true,
  left: true,
};

export function createReadaheadObserver(
  log: Logger,
  metrics: KvMetrics,
): ReadaheadObserver & GateObserver {
  for (const reason of Object.keys(LEFT)) metrics.add("kv_readahead_refused_total", 0, reason);
  for (const outcome of Object.keys(OUTCOMES)) metrics.add("kv_readahead_holds_total", 0, outcome);
  return {
    brought: ({ from, to, bytes, result }) => {
      metrics.add("kv_readahead_copies_total", 1, from, to, result);
      metrics.add("kv_readahead_bytes_total", bytes, from, to, result);
    },
    left: (reason) => metrics.add("kv_readahead_refused_total", 1, reason),
    failed: (error) => {
      metrics.add("kv_readahead_refused_total", 1, "failed");
      log.error("a segment was not brought nearer", { error: AppError.from(error) });
    },
    held: ({ heldMs, outcome }) => {
      metrics.add("kv_readahead_holds_total", 1, outcome);
      metrics.observeMs("kv_readahead_held_seconds", heldMs, outcome);
    },
  };
}
