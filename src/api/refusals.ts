/** What several routes answer in place of what was asked for. */
import { type FieldProblem, Problem } from "../http/problem.ts";

/** One answer for what there is not and for what is another tenant's. */
export function noSuch(thing: "session" | "segment" | "prefix" | "tenant"): Problem {
  return new Problem("not_found", `there is no such ${thing}`);
}

export function quotaExceeded(what: "sessions" | "pins"): Problem {
  return new Problem("quota_exceeded", `the tenant has as many ${what} as its quota allows`);
}

export function segmentsLimit(of: string): Problem {
  return new Problem("limit_reached", `${of} would list more segments than it can`);
}

/** For what a schema cannot judge, as it depends on what there is. */
export function invalidField({ field, value, limit }: Omit<FieldProblem, "message">): Problem {
  const shown = value === undefined ? {} : { value };
  return Problem.ofFields([{ field, ...shown, limit, message: `${field} must be ${limit}` }]);
}
