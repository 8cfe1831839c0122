/** What the figures of routing should be. */
import type { Goal } from "../goals.ts";
import type { RoutingResult } from "./report.ts";

export const goals: readonly Goal<Exclude<keyof RoutingResult, "suite">>[] = [
  { field: "rps_ratio_grpc_go", relation: ">=", limit: 0.85 },
  { field: "added_p50_ms_at_500", relation: "<=", limit: 0.5 },
  { field: "added_p99_ms_at_500", relation: "<=", limit: 3 },
  { field: "heap_mb_per_100k_bindings", relation: "<=", limit: 30 },
  { field: "failures", relation: "=", limit: 0 },
];
