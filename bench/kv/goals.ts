/** What the figures of the KV service should be. */
import type { Goal } from "../goals.ts";
import type { KvResult } from "./report.ts";

export const goals: readonly Goal<Exclude<keyof KvResult, "suite">>[] = [
  { field: "get_gbps", relation: ">=", limit: 3 },
  { field: "get_ratio_nginx", relation: ">=", limit: 0.8 },
  { field: "put_ratio_dd", relation: ">=", limit: 0.3 },
  { field: "lookup_p99_ms", relation: "<=", limit: 1 },
  { field: "plan_p99_ms", relation: "<=", limit: 5 },
  { field: "loop_delay_p99_ms", relation: "<=", limit: 5 },
];
