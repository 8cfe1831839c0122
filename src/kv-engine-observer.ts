/** What is told of engines whose turns are read, as metrics and log lines. */
import type { KvMetrics } from "./admin/kv-metrics.ts";
import type { EngineObserver, SessionClosing } from "./kv/engines/engine-observer.ts";
import type { Logger } from "./log.ts";

const SESSION_CLOSINGS: Readonly<Record<SessionClosing, true>> = {
  closed: true,
  failed: true,
  queue_full: true,
};

export function createEngineObserver(log: Logger, metrics: KvMetrics): EngineObserver {
  for (const result of Object.keys(SESSION_CLOSINGS)) {
    metrics.add("kv_session_closes_total", 0, result);
  }
  return {
    stateChanged: ({ pool, address, from, to, why }) => {
      const engine = { pool, address };
      switch (to) {
        case "ready":
          return log.info("an engine loads and stores KV", engine);
        case "engine_unknown":
          return log.warn("an engine was lost; no KV there until it is back", {
            ...engine,
            was: from,
            reason: why,
          });
        case "engine_mismatch":
          return log.error("an engine is not what its pool's profile says; no KV there", {
            ...engine,
            differs: why,
          });
        case "engine_misplaces":
          return log.error(
            "an engine without HiCache would load KV to a wrong place of its own cache; no KV there until it is started with --enable-hierarchical-cache",
            engine,
          );
        case "tokenizer_mismatch":
          return log.error(
            "an engine makes other tokens of a text than we do; no KV there until it is restarted",
            { ...engine, differs: why },
          );
        case "engine_miscounted":
          return log.error(
            "an engine counts other tokens than prompts have; no KV there until it is restarted",
            engine,
          );
        case "engine_encodes":
          return log.error(
            "an engine encodes answers, which nobody asked for; no KV there until it is restarted",
            engine,
          );
      }
    },
    unanswered: ({ pool, address, why }) =>
      log.warn("an engine does not say what it is; no KV there until it does", {
        pool,
        address,
        reason: why,
      }),
    tokenizerTested: ({ pool, address, result, why }) => {
      metrics.add("kv_tokenizer_tests_total", 1, pool, result);
      if (result !== "untested" && result !== "partial") return;
      log.warn("an engine's tokenizer is not tested in full; its counts alone are compared", {
        pool,
        address,
        reason: why,
      });
    },
    sessionClosed: (result) => metrics.add("kv_session_closes_total", 1, result),
  };
}
