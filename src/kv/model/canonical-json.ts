/**
 * JSON with one spelling for each value, as RFC 8785 defines it: no white space, keys in the order of their UTF-16 code units,
 * numbers and strings as ECMAScript writes them. Two values have the same text exactly when they are equal, whatever the order in
 * which their keys were written.
 */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** Undefined when the value holds what JSON cannot tell apart: a number that is not finite, or a lone surrogate. */
export function canonicalJson(value: JsonValue): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? JSON.stringify(value) : undefined;
  if (typeof value === "string") return value.isWellFormed() ? JSON.stringify(value) : undefined;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isList(value)) return joined("[", value.map(canonicalJson), "]");
  const members = Object.keys(value)
    .toSorted()
    .map((name) => canonicalMember(name, value[name] as JsonValue));
  return joined("{", members, "}");
}

/** Whether lists and objects are nested more than `limit` deep. Reads no deeper. */
export function isDeeper(value: JsonValue, limit: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (limit === 0) return true;
  const items = isList(value) ? value : Object.values(value);
  return items.some((item) => isDeeper(item, limit - 1));
}

function canonicalMember(name: string, value: JsonValue): string | undefined {
  const key = canonicalJson(name);
  const text = canonicalJson(value);
  return key === undefined || text === undefined ? undefined : `${key}:${text}`;
}

function joined(
  open: string,
  items: readonly (string | undefined)[],
  close: string,
): string | undefined {
  return items.includes(undefined) ? undefined : `${open}${items.join(",")}${close}`;
}

/** `Array.isArray` does not narrow a readonly array. */
function isList(value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] {
  return Array.isArray(value);
}
