/**
 * What is wrong with a configuration, in words: every problem names the key, the value found and the limit.
 */
import type * as z from "zod";
import { formatPath, valueAt } from "./document-path.ts";

const SHOWN_VALUE_LIMIT = 60;

/** Keys where a token may stand by mistake: what is there never reaches a log. */
const MAY_HOLD_SECRETS: ReadonlySet<string | number> = new Set(["tokenHashes"]);

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
  const isTold = !path.some((key) => MAY_HOLD_SECRETS.has(key));
  const subject = `${formatPath(path)} ${isTold ? shown(value) : ""}`.trim();
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => `${formatPath([...path, key])} is not a known key`);
    case "invalid_type":
      if (value === undefined) return [`${subject} is required`];
      return [`${subject} must be ${KINDS[issue.expected] ?? issue.expected}`];
    case "invalid_value":
      return [`${subject} must be one of ${issue.values.join(", ")}`];
    case "invalid_union": // of mappings of several kinds, by the key that names the kind
      if (value === undefined) return [`${subject} is required`];
      return [`${subject} must be one of ${("options" in issue ? issue.options : []).join(", ")}`];
    case "too_small":
      return [`${subject} must ${bound(issue.origin, ">=", issue.minimum)}`];
    case "too_big":
      return [`${subject} must ${bound(issue.origin, "<=", issue.maximum)}`];
    default:
      return [`${subject} ${issue.message}`];
  }
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
