/** A request body whose members were found, and the reading of their values. */
import type { FoundMember, FoundObject, Span } from "../../../json/json-members.ts";
import { decodeString } from "../../../json/json-paths.ts";
import { QUOTE, skipSpace } from "../../../json/json-tokens.ts";
import { hasMoreValuesInSlices } from "../../../json/many-values.ts";
import { parseJsonInSlices } from "../../../json/parse-json.ts";
import type { Slices } from "../../../json/slices.ts";

export interface FoundBody {
  /** As the engine may see it. */
  readonly bytes: Uint8Array;
  readonly root: FoundObject;
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

export function isFalse({ bytes }: FoundBody, { start }: Span): boolean {
  return bytes[start] === 0x66; // the f of a valid literal
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

export function* parsedValue({ bytes }: FoundBody, { start, end }: Span): Slices<unknown> {
  const text = bytes.subarray(start, end);
  if (yield* hasMoreValuesInSlices(text, VALUES_LIMIT)) return TOO_MUCH;
  return yield* parseJsonInSlices(text);
}

/** Of that name; undefined where it is absent or null. */
export function* parsedMember(
  body: FoundBody,
  name: string,
  object?: FoundObject,
): Slices<unknown> {
  const member = given(body, name, object);
  return member && (yield* parsedValue(body, member.value));
}

export function* parsedMembers(
  body: FoundBody,
  names: readonly string[],
  object?: FoundObject,
): Slices<readonly unknown[]> {
  const values: unknown[] = [];
  for (const name of names) values.push(yield* parsedMember(body, name, object));
  return values;
}

const LONG_TEXT_BYTES = 256 * 1024;

/** As `readString`, in a slice of its own where it is long. */
export function* readText(body: FoundBody, span: Span): Slices<string | undefined> {
  if (span.end - span.start > LONG_TEXT_BYTES) yield;
  return readString(body, span);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
