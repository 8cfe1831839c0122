/**
 * The wanted fields of a JSON body, compiled once into a tree of keys, so that a scan compares each key it meets with the few
 * that can follow there and with nothing else.
 */
import { BACKSLASH, endOfString, QUOTE } from "./json-tokens.ts";
import type { JsonText } from "./json-tokens.ts";

/** One key on a wanted path. Fields are numbered by their position in the list of paths. */
export interface PathNode {
  readonly name: string;
  readonly children: PathNode[];
  /** The fields that end here; several if a path was given twice. */
  readonly own: number[];
  /** The fields that end here or below: what another occurrence of this key replaces. */
  readonly covered: number[];
}

export interface FieldPaths {
  readonly count: number;
  readonly root: PathNode;
}

/** Dotted paths of object keys, such as `session_params.id`. A key that itself holds a dot cannot be named. */
export function compileFieldPaths(paths: readonly string[]): FieldPaths {
  const root = pathNode("");
  for (const [field, path] of paths.entries()) {
    let node = root;
    for (const name of path.split(".")) {
      let child = node.children.find((other) => other.name === name);
      if (child === undefined) {
        child = pathNode(name);
        node.children.push(child);
      }
      child.covered.push(field);
      node = child;
    }
    node.own.push(field);
  }
  return { count: paths.length, root };
}

/** A node without fields; also of use as a mark. */
export function pathNode(name: string): PathNode {
  return { name, children: [], own: [], covered: [] };
}

/** The child that a key stands for. `at` is behind the opening quote of a valid JSON string. */
export function childOf(node: PathNode, text: JsonText, at: number): PathNode | undefined {
  for (const child of node.children) if (isKey(child.name, text, at)) return child;
  return undefined;
}

/**
 * Whether the string at `at`, behind its opening quote, is `name`. Compared in place: a body may hold a million keys, all escaped and
 * equally long, and decoding each of them would hold up every other exchange for the better part of a second.
 */
export function isKey(name: string, text: JsonText, at: number): boolean {
  const { bytes } = text;
  let i = at;
  for (let unit = 0; unit < name.length; unit++) {
    const wanted = name.charCodeAt(unit);
    if (wanted >= 0x80) return decodeString(bytes.subarray(at, endOfString(text, at) - 1)) === name;
    if (bytes[i] === QUOTE) return false;
    const isEscaped = bytes[i] === BACKSLASH;
    if ((isEscaped ? unescaped(bytes, i) : bytes[i]) !== wanted) return false;
    i += isEscaped ? (bytes[i + 1] === LETTER_U ? 6 : 2) : 1;
  }
  return bytes[i] === QUOTE;
}

const LETTER_U = 0x75;

/** What the letter of a two-byte escape stands for, where it is not the letter itself. */
const escapes: ReadonlyMap<number, number> = new Map(
  Array.from("bfnrt", (letter, i) => [letter.charCodeAt(0), "\b\f\n\r\t".charCodeAt(i)]),
);

/** The UTF-16 unit that the escape at `at` stands for. */
export function unescaped(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1] ?? 0;
  if (letter !== LETTER_U) return escapes.get(letter) ?? letter;
  let unit = 0;
  for (let i = at + 2; i < at + 6; i++) {
    const digit = bytes[i] ?? 0;
    unit = unit * 16 + (digit & 0x0f) + (digit > 0x39 ? 9 : 0);
  }
  return unit;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true }); // a U+FEFF inside a body is a character

/** The string that is written as `between` the quotes of a valid JSON text. */
export function decodeString(between: Uint8Array): string {
  const raw = utf8.decode(between);
  return raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
}
