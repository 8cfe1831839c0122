/** Turns as they were beside what was predicted of them, as metrics. */
import type { KvMetrics } from "./admin/kv-metrics.ts";
import type { PathObserver } from "./kv/path/path-observer.ts";
import { FIGURE_NAMES, FIGURES } from "./kv/prediction/prediction.ts";

export function createPredictionObserver(metrics: KvMetrics): PathObserver["measured"] {
  return ({ pool, turn: { ttftMs }, prediction: { times }, errors }) => {
    if (ttftMs !== undefined) {
      metrics.observeMs("kv_turn_ttft_seconds", ttftMs, pool);
      if (times !== undefined) {
        metrics.observeMs("kv_turn_predicted_ttft_seconds", times.ttftMs, pool);
      }
    }
    for (const figure of FIGURES) {
      const error = errors[figure];
      if (error === undefined) continue;
      metrics.observe("kv_turn_prediction_error_ratio", error, pool, FIGURE_NAMES[figure]);
    }
  };
}
