/**
 * What is wrong with a configuration, in words: every problem names the key, the value found and the limit.
 */
import type * as z from "zod";
import { valueAt } from "./rules.ts";

const SHOWN_VALUE_LIMIT = 60;

const KINDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "an integer",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
};

/** One line per problem; an issue with several unknown keys is several problems. */
export function describeIssue(issue: z.core.$ZodIssue, document: unknown): string[] {
  const path = issue.path.filter((key) => typeof key !== "symbol");
  const value = valueAt(document, ...path);
  const subject = `${formatPath(path)} ${shown(value)}`.trim();
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => `${formatPath([...path, key])} is not a known key`);
    case "invalid_type":
      if (value === undefined) return [`${subject} is required`];
      return [`${subject} must be ${KINDS[issue.expected] ?? issue.expected}`];
    case "invalid_value":
      return [`${subject} must be one of ${issue.values.join(", ")}`];
    case "too_small":
      return [`${subject} must ${bound(issue.origin, ">=", issue.minimum)}`];
    case "too_big":
      return [`${subject} must ${bound(issue.origin, "<=", issue.maximum)}`];
    default:
      return [`${subject} ${issue.message}`];
  }
}

/** `pools[0].name`; the whole document is `configuration`. */
function formatPath(path: readonly (string | number)[]): string {
  if (path.length === 0) return "configuration";
  return path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`))
    .join("")
    .replace(/^\./, "");
}

function bound(origin: string, sign: ">=" | "<=", limit: number | bigint): string {
  if (origin === "array") return `have ${sign} ${limit} items`;
  if (origin === "string") return `have ${sign} ${limit} characters`;
  return `be ${sign} ${limit}`;
}

/** Empty for a mapping, which is known by its path. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `(${value.length} items)`;
  if (value === undefined || (typeof value === "object" && value !== null)) return "";
  const text = typeof value === "string" ? JSON.stringify(value) : `${value as number}`;
  return text.length <= SHOWN_VALUE_LIMIT ? text : `${text.slice(0, SHOWN_VALUE_LIMIT)}...`;
}
