/**
 * Tools as SGLang gives them to a template: of each the members of its own classes, in their order, where a request leaves them out with what
 * they are then, and no others. Templates write them out as JSON, so each member is tokens, and another order is another prompt of the same length.
 */

type Members = Readonly<Record<string, unknown>>;

/** Throws for a tool that the engine would refuse, or make something else of. */
export function toTemplateTool(tool: unknown): Members {
  const { type = "function", function: called, defer_loading: deferred = null } = membersOf(tool);
  if (typeof type !== "string") throw new Error("the type of a tool is no text");
  return { type, function: toFunction(called, deferred), defer_loading: flag(deferred) };
}

function toFunction(called: unknown, toolDeferred: unknown): Members {
  const { name, description = null, parameters = null, strict = false } = membersOf(called);
  if (typeof name !== "string") throw new Error("the name of a tool is no text");
  if (description !== null && typeof description !== "string") {
    throw new Error("the description of a tool is no text");
  }
  assertTypes(parameters);
  if (typeof strict !== "boolean") throw new Error("strict is neither true nor false");
  const deferred = flag(membersOf(called)["defer_loading"] ?? toolDeferred);
  const own = { description, name, parameters, strict };
  return deferred === null ? own : { ...own, defer_loading: deferred };
}

/** Others than JSON Schema's own, such as `varchar`, some releases show as what they take them for. */
function assertTypes(schema: unknown): void {
  if (typeof schema !== "object" || schema === null) return;
  if (Array.isArray(schema)) return schema.forEach(assertTypes);
  for (const [name, value] of Object.entries(schema)) {
    if (name === "type" && !isOfTypes(value)) throw new Error("a type is none of JSON Schema's");
    assertTypes(value);
  }
}

function isOfTypes(type: unknown): boolean {
  if (typeof type === "string") return TYPES.has(type);
  if (!Array.isArray(type)) return true; // a property that is called so
  return type.every((each) => TYPES.has(each)) && new Set(type).size === type.length;
}

const TYPES: ReadonlySet<unknown> = new Set([
  "string",
  "number",
  "integer",
  "boolean",
  "array",
  "object",
  "null",
]);

function flag(value: unknown): boolean | null {
  if (value === null || typeof value === "boolean") return value;
  throw new Error("defer_loading is neither true nor false");
}

function membersOf(value: unknown): Members {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  throw new Error("a tool is no object, or has no function that is one");
}
