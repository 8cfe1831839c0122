/** JSON texts as no serialiser writes them, and what is true of them by `JSON.parse`. */
import fc from "fast-check";

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encode(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Throws where the bytes are not strict UTF-8 and one JSON text. */
export function parsed(pieces: readonly Uint8Array[]): unknown {
  return JSON.parse(strict.decode(Buffer.concat(pieces)));
}

/** Deletes members of these names at any depth, in place. */
export function without(value: unknown, names: readonly string[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (!Array.isArray(value)) for (const name of names) Reflect.deleteProperty(value, name);
  for (const key of Object.keys(value)) without(Reflect.get(value, key), names);
  return value;
}

export function escaped(text: string): string {
  return Array.from(text, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}

const space = fc.constantFrom("", "", "", " ", "\n\t", "\r  ");

/** Texts with duplicate and escaped keys out of `names`, white space anywhere, numbers in every form. */
export function jsonText(names: readonly string[]): fc.Arbitrary<string> {
  const key = fc
    .constantFrom(...names)
    .chain((name) => fc.constantFrom(`"${name}"`, `"${name}"`, `"${escaped(name)}"`));
  const scalar = fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }).map((value) => JSON.stringify(value)),
    fc.constantFrom(
      `"${"plain ".repeat(9)}"`,
      String.raw`"\/\ud800\uDC00\udbff"`,
      String.raw`"\ud800"`,
      `"日本語😀 mixed"`,
      `"\u2028\x7f"`,
    ),
    fc.constantFrom("0", "-0", "1.50e+3", "12E-2", "1e999", "true", "false", "null"),
  );
  return fc.letrec<{ json: string; object: string; array: string }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      scalar,
      tie("object"),
      tie("object"),
      tie("array"),
    ),
    object: fc
      .array(fc.tuple(space, key, space, space, tie("json"), space), { maxLength: 5 })
      .map(
        (members) =>
          `{${members.map(([s, k, t, u, v, w]) => `${s}${k}${t}:${u}${v}${w}`).join(",")}}`,
      ),
    array: fc
      .array(fc.tuple(space, tie("json"), space), { maxLength: 4 })
      .map((items) => `[${items.map((item) => item.join("")).join(",")}]`),
  })).json;
}
