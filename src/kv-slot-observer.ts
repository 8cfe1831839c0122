/** What pools of servers that keep KV in slots tell about themselves, as metrics and log lines. */
import type { KvMetrics } from "./admin/kv-metrics.ts";
import { AppError } from "./errors.ts";
import type { SlotObserver } from "./kv/slots/slot-observer.ts";
import type { SlotServerObserver } from "./kv/slots/slot-server-observer.ts";
import type { Logger } from "./log.ts";

export function createSlotServerObserver(log: Logger): SlotServerObserver {
  return {
    stateChanged: ({ pool, address, from, to, why }) => {
      const line = { pool, engine: address, from, to, ...(why === undefined ? {} : { why }) };
      if (to === "ready") log.info("a server's slots are used", line);
      else log.warn("a server's slots are not used", line);
    },
    unanswered: ({ pool, address, why }) =>
      log.warn("a server has not said what it is", { pool, engine: address, why }),
  };
}

/** Of the desks of one pool. */
export function createSlotObserver(pool: string, log: Logger, metrics: KvMetrics): SlotObserver {
  return {
    seated: ({ from, why, waitedMs }) => {
      metrics.add("kv_slot_seats_total", 1, pool, from, why ?? "");
      metrics.observeMs("kv_slot_seat_seconds", waitedMs, pool);
    },
    refused: (_, waitedMs) => metrics.observeMs("kv_slot_seat_seconds", waitedMs, pool),
    saved: ({ outcome, elapsedMs, bytes, tokens }) => {
      metrics.add("kv_slot_saves_total", 1, pool, outcome);
      metrics.observeMs("kv_slot_save_seconds", elapsedMs, pool);
      if (outcome === "kept") metrics.add("kv_slot_saved_bytes_total", bytes, pool);
      else log.warn("what is in a slot was not stored", { pool, reason: outcome, bytes, tokens });
    },
    restored: ({ outcome, elapsedMs, bytes }) => {
      metrics.add("kv_slot_restores_total", 1, pool, outcome);
      metrics.observeMs("kv_slot_restore_seconds", elapsedMs, pool);
      if (outcome === "restored") metrics.add("kv_slot_restored_bytes_total", bytes, pool);
      else log.warn("a snapshot was not restored", { pool, reason: outcome, bytes });
    },
    displaced: (by) => {
      metrics.add("kv_slot_displaced_total", 1, pool, by);
    },
    failed: (call, error) => {
      metrics.add("kv_slot_failures_total", 1, pool, call);
      log.warn("a slot goes on without", { pool, call, error: AppError.from(error) });
    },
  };
}
