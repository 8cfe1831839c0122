/** What the figures should be, as docs/performance.md says, and whether they are. */
import type { RoutingResult } from "./report.ts";

interface Goal {
  readonly field: Exclude<keyof RoutingResult, "suite">;
  readonly relation: ">=" | "<=" | "=";
  readonly limit: number;
}

export const goals: readonly Goal[] = [
  { field: "rps_ratio_grpc_go", relation: ">=", limit: 0.85 },
  { field: "added_p50_ms_at_500", relation: "<=", limit: 0.5 },
  { field: "added_p99_ms_at_500", relation: "<=", limit: 3 },
  { field: "heap_mb_per_100k_bindings", relation: "<=", limit: 30 },
  { field: "failures", relation: "=", limit: 0 },
];

/** A line for each. */
export function formatGoals(result: RoutingResult): string {
  const lines = goals.map((goal) => {
    const value = result[goal.field];
    const wanted = `${goal.relation} ${goal.limit}`;
    const columns = [goal.field.padEnd(27), String(value ?? "-").padStart(7), wanted.padEnd(9)];
    return `${columns.join(" ")}${verdict(value, goal)}`;
  });
  return lines.join("\n");
}

function verdict(value: number | null, { relation, limit }: Goal): string {
  if (value === null) return "not measured";
  const isMet = { ">=": value >= limit, "<=": value <= limit, "=": value === limit }[relation];
  return isMet ? "pass" : "miss";
}
