/** What the figures of a suite should be, as docs/performance.md says, and whether they are. */

export interface Goal<Field extends string> {
  readonly field: Field;
  readonly relation: ">=" | "<=" | "=";
  readonly limit: number;
}

/** A line for each. A figure that could not be measured is null. */
export function formatGoals<Field extends string>(
  goals: readonly Goal<Field>[],
  result: Readonly<Record<Field, number | null>>,
): string {
  const width = Math.max(...goals.map(({ field }) => field.length)) + 2;
  const lines = goals.map((goal) => {
    const value = result[goal.field];
    const wanted = `${goal.relation} ${goal.limit}`;
    const columns = [goal.field.padEnd(width), String(value ?? "-").padStart(7), wanted.padEnd(9)];
    return `${columns.join(" ")}${verdict(value, goal)}`;
  });
  return lines.join("\n");
}

function verdict(value: number | null, { relation, limit }: Goal<string>): string {
  if (value === null) return "not measured";
  const isMet = { ">=": value >= limit, "<=": value <= limit, "=": value === limit }[relation];
  return isMet ? "pass" : "miss";
}
