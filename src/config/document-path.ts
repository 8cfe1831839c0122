/** Places in a parsed document, of which nothing is known yet. */

export type Path = readonly (string | number)[];

/** What lies there, or undefined. */
export function valueAt(document: unknown, ...path: Path): unknown {
  let value = document;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[key];
  }
  return value;
}

/** The list that lies there; empty for anything else. */
export function listAt(document: unknown, ...path: Path): readonly unknown[] {
  const value = valueAt(document, ...path);
  return Array.isArray(value) ? value : [];
}

/** `pools[0].name`; the whole document is `configuration`. */
export function formatPath(path: Path): string {
  if (path.length === 0) return "configuration";
  return path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`))
    .join("")
    .replace(/^\./, "");
}
