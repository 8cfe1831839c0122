import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { formatGoals } from "../../bench/goals.ts";
import { goals as kvGoals } from "../../bench/kv/goals.ts";
import { goals } from "../../bench/routing/goals.ts";
import { goals as turnsGoals } from "../../bench/turns/goals.ts";
import type { RoutingResult } from "../../bench/routing/report.ts";
import { documentTables } from "../support/document-tables.ts";

const result = {
  suite: "routing",
  rps: 5_000,
  rps_ratio_ring_hash: 0.4,
  rps_ratio_grpc_go: 0.85,
  added_p50_ms_at_500: 0.5,
  added_p99_ms_at_500: 3.001,
  cpu_us_per_exchange_at_2000: null,
  heap_mb_per_100k_bindings: 21,
  failures: 1,
} as const;

function verdicts(figures: Omit<RoutingResult, "suite">): readonly string[] {
  return formatGoals(goals, figures).split("\n");
}

it("a figure at its limit is good, one beyond it is not", () => {
  expect(verdicts(result)).toEqual([
    "rps_ratio_grpc_go              0.85 >= 0.85  pass",
    "added_p50_ms_at_500             0.5 <= 0.5   pass",
    "added_p99_ms_at_500           3.001 <= 3     miss",
    "heap_mb_per_100k_bindings        21 <= 30    pass",
    "failures                          1 = 0      miss",
  ]);
});

it("what could not be measured is neither", () => {
  expect(verdicts({ ...result, rps_ratio_grpc_go: null })[0]).toBe(
    "rps_ratio_grpc_go                 - >= 0.85  not measured",
  );
});

it.each([
  ["Routing", goals],
  ["Session KV", kvGoals],
  ["Turns", turnsGoals],
])("docs/performance.md has the goals of %s", async (title, known) => {
  const page = await readFile(new URL("../../docs/performance.md", import.meta.url), "utf8");
  const section = page.split("\n## ").find((text) => text.startsWith(`${title}\n`)) ?? "";
  const rows = documentTables(section)("field", "what it is", "goal");
  const written = rows.flatMap(([field, , goal]) => (goal === "" ? [] : [[field, goal]]));
  expect(written).toEqual(
    known.map(({ field, relation, limit }) => [field, `${relation} ${limit}`]),
  );
});
