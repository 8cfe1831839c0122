/**
 * What a request must look like, told field by field. Schemas give the text of a limit as zod's own message (`z.regex(ID, "...")`);
 * where they leave it out, it is made of the rule that zod names.
 */
import type { FastifySchemaCompiler } from "fastify";
import type * as z from "zod";

import { type FieldProblem, Problem } from "../http/problem.ts";

/** Of those that a request breaks; whoever has mended these hears of the next. */
export const SHOWN_PROBLEMS = 16;
const SHOWN_CHARACTERS = 64;
const SHOWN_PATH = 8;

/** Where fastify finds what a schema is for, as fields name it. */
const PLACES: Readonly<Record<string, string>> = {
  params: "path",
  querystring: "query",
  headers: "header",
};

export const compileValidator: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = "" }) => {
  const place = PLACES[httpPart];
  return (data: unknown) => {
    const parsed = schema.safeParse(data, { reportInput: true });
    if (parsed.success) return { value: parsed.data };
    const broken = parsed.error.issues.flatMap(leavesOf).slice(0, SHOWN_PROBLEMS);
    return { error: Problem.ofFields(broken.map((issue) => fieldProblem(issue, place))) };
  };
};

type Issue = Exclude<z.core.$ZodIssue, z.core.$ZodIssueUnrecognizedKeys> | UnknownField;

interface UnknownField {
  readonly code: "unrecognized_keys";
  readonly path: readonly PropertyKey[];
  readonly input: unknown;
}

/** A name that is known to nobody is a problem of its own field. */
function leavesOf(issue: z.core.$ZodIssue): Issue[] {
  if (issue.code !== "unrecognized_keys") return [issue];
  const { code, path, input } = issue;
  return issue.keys
    .slice(0, SHOWN_PROBLEMS)
    .map((key) => ({ code, path: [...path, key], input: input?.[key] }));
}

function fieldProblem(issue: Issue, place: string | undefined): FieldProblem {
  const field = fieldOf(issue.path, place);
  const limit = limitOf(issue);
  const { input } = issue;
  const message = `${field} must be ${limit}`;
  return input === undefined
    ? { field, message, limit }
    : { field, message, value: shortened(input), limit };
}

function fieldOf(path: readonly PropertyKey[], place: string | undefined): string {
  const steps = path.slice(0, SHOWN_PATH).map((step) => {
    if (typeof step === "number") return `[${step}]`;
    return `.${String(step).slice(0, SHOWN_CHARACTERS)}`;
  });
  if (place !== undefined) return place + steps.join("");
  return steps.length === 0 ? "body" : steps.join("").replace(/^\./, "");
}

function limitOf(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return withArticle(issue.expected);
    case "too_big":
      return `at most ${amountOf(issue.maximum, issue.origin)}`;
    case "too_small":
      return `at least ${amountOf(issue.minimum, issue.origin)}`;
    case "invalid_value":
      return `one of ${issue.values.join(", ")}`;
    case "unrecognized_keys":
      return "left out: there is no such field";
    default:
      return issue.message;
  }
}

function amountOf(limit: number | bigint, origin: string): string {
  if (origin === "string") return `${limit} characters long`;
  return origin === "array" ? `${limit} items long` : String(limit);
}

function withArticle(type: string): string {
  if (type === "int") return "an integer";
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

/** Never the whole of what was sent, which may be megabytes. */
function shortened(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = String(value);
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}...`;
}
