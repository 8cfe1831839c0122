/** A request that cannot be served; the text says which field and why, and goes to the client with a 400. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseObject(text: string): JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (reason) {
    throw new BadRequest(`the body is not JSON: ${String(reason)}`, { cause: reason });
  }
  if (!isObject(parsed)) throw new BadRequest("the body must be a JSON object");
  return parsed;
}

/** A member that may be missing or null, which is the same in the engines. */
export function optionalObject(fields: JsonObject, name: string): JsonObject | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || isObject(value)) return value;
  throw new BadRequest(`${name} must be an object`);
}

export function optionalString(fields: JsonObject, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw new BadRequest(`${name} must be a string`);
}

export function optionalInteger(fields: JsonObject, name: string): number | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || Number.isSafeInteger(value)) return value as number | undefined;
  throw new BadRequest(`${name} must be an integer`);
}
