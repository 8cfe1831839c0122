import { Problem } from "../../http/problem.ts";

/** For what only a look at the segment can say. */
export function invalid(broken: {
  readonly field: string;
  readonly value: number;
  readonly limit: string;
}): Problem {
  const { field, value, limit } = broken;
  const message = `${field} must be ${limit}`;
  return Problem.ofFields([{ field, value: String(value), limit, message }]);
}
