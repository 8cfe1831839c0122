/**
 * The text of an endpoints file, JSON or YAML: `{ endpoints: [ items ] }`.
 */
import { LineCounter, parse, YAMLError } from "yaml";
import { AppError } from "../../errors.ts";
import type { EndpointSpec } from "../endpoint.ts";
import { describeYamlError } from "../../yaml-problem.ts";
import { parseEndpointItems } from "../spec.ts";

/** A message lists this many problems and counts the rest: 10,000 bad items must not write 10,000 lines. */
const LISTED_PROBLEMS = 50;

/** Throws `endpoints_invalid` that names the file and lists what is wrong with it. */
export function parseEndpointsDocument(text: string, path: string): readonly EndpointSpec[] {
  const document = parseText(text, path);
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw endpointsInvalid(path, ["must be an object with the one key `endpoints`"]);
  }
  const { endpoints, ...unknown } = document as Readonly<Record<string, unknown>>;
  const { specs, problems } = parseEndpointItems(endpoints, "endpoints");
  const all = [...Object.keys(unknown).map((key) => `${key}: unknown key`), ...problems];
  if (all.length > 0) throw endpointsInvalid(path, all);
  return specs;
}

/** JSON is tried first: it is some ten times faster to read than the same text as YAML, which matters for long lists. */
function parseText(text: string, path: string): unknown {
  if (text.trimStart().startsWith("{")) {
    try {
      return JSON.parse(text);
    } catch {
      // Perhaps YAML in flow style; if not, the YAML error says where it breaks, which the JSON one does not.
    }
  }
  const lineCounter = new LineCounter();
  try {
    // Aliases are counted as they unfold, so that a few lines cannot become gigabytes.
    return parse(text, {
      maxAliasCount: 100,
      logLevel: "error",
      lineCounter,
      prettyErrors: false,
    }) as unknown;
  } catch (reason) {
    const problem =
      reason instanceof YAMLError
        ? describeYamlError(reason, lineCounter)
        : AppError.from(reason).message;
    throw endpointsInvalid(path, [problem], reason);
  }
}

/** The one form in which an unusable endpoints file is reported. */
export function endpointsInvalid(
  path: string,
  problems: readonly string[],
  cause?: unknown,
): AppError {
  const more = problems.length - LISTED_PROBLEMS;
  const lines = problems.slice(0, LISTED_PROBLEMS).map((problem) => `\n  ${problem}`);
  const rest = more > 0 ? `\n  and ${more} more` : "";
  return new AppError(
    "endpoints_invalid",
    `endpoints file ${path} cannot be used:${lines.join("")}${rest}`,
    { cause },
  );
}
