/** A request body whose members were found, and the reading of their values. */
import type { FoundMember, FoundObject, Span } from "../../../json/json-members.ts";
import { decodeString } from "../../../json/json-paths.ts";
import { hasMoreValues } from "../../../json/many-values.ts";
import { parseJson } from "../../../json/parse-json.ts";
import { joined, splice } from "../../../json/splice.ts";
import { QUOTE, skipSpace } from "../../../json/json-tokens.ts";

export interface FoundBody {
  readonly bytes: Uint8Array;
  readonly root: FoundObject;
  /** What the engine will not see of it. In order. */
  readonly cuts: readonly Span[];
}

/** A wanted member that is there and not null; in these requests, null is as if it were not there. */
export function given(
  body: FoundBody,
  name: string,
  object: FoundObject = body.root,
): FoundMember | undefined {
  const member = object.members.get(name);
  return member === undefined || isNull(body, member.value) ? undefined : member;
}

export function isNull({ bytes }: FoundBody, { start }: Span): boolean {
  return bytes[start] === 0x6e; // the n of a valid literal
}

export function isList({ bytes }: FoundBody, { start }: Span): boolean {
  return bytes[start] === 0x5b;
}

export function isEmptyList(body: FoundBody, { start, end }: Span): boolean {
  return isList(body, { start, end }) && skipSpace(body.bytes, start + 1) === end - 1;
}

/** Undefined: it is no string. */
export function readString({ bytes }: FoundBody, { start, end }: Span): string | undefined {
  return bytes[start] === QUOTE ? decodeString(bytes.subarray(start + 1, end - 1)) : undefined;
}

/**
 * Of one member whose value is parsed: objects, lists and plain values. What has more could not be made a prompt of in time, and
 * parsing it would hold up everybody.
 */
const VALUES_LIMIT = 16_384;

/** No JSON value. */
export const TOO_MUCH = Symbol("too much");

/** The value as the engine sees it. */
export function parsedValue(body: FoundBody, span: Span): unknown {
  const text = textOf(body, span);
  return hasMoreValues(text, VALUES_LIMIT) ? TOO_MUCH : parseJson(text);
}

/** The JSON text of a value as the engine sees it. */
export function textOf({ bytes, cuts }: FoundBody, { start, end }: Span): Uint8Array {
  const inside = cuts.filter((cut) => cut.start >= start && cut.end <= end);
  if (inside.length === 0) return bytes.subarray(start, end);
  return joined(splice(bytes.subarray(0, end), [{ start: 0, end: start }, ...inside]));
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
