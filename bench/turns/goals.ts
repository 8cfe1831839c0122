/** What the figures of turns should be. */
import type { Goal } from "../goals.ts";
import type { TurnsResult } from "./report.ts";

export const goals: readonly Goal<
  Exclude<keyof TurnsResult, "suite" | "ttft_p50_ms" | "hit_tokens">
>[] = [
  { field: "prediction_p90_error", relation: "<=", limit: 0.2 },
  { field: "added_p50_ms_100kb", relation: "<=", limit: 2 },
  { field: "sse_lag_p99_ms", relation: "<=", limit: 5 },
  { field: "wrong_answers", relation: "=", limit: 0 },
];
