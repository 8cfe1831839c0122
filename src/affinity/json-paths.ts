/**
 * The wanted fields of a JSON body, compiled once into a tree of keys, so that a scan compares each key it meets with the few
 * that can follow there and with nothing else.
 */
import { BACKSLASH } from "./json-tokens.ts";

/** One key on a wanted path. Fields are numbered by their position in the list of paths. */
export interface PathNode {
  readonly name: string;
  /** `name` in UTF-8. */
  readonly key: Uint8Array;
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
  return { name, key: new TextEncoder().encode(name), children: [], own: [], covered: [] };
}

/** The child that a key stands for. `key` is what is written between the quotes, a valid JSON string. */
export function childOf(node: PathNode, key: Uint8Array): PathNode | undefined {
  const isEscaped = key.includes(BACKSLASH);
  for (const child of node.children) {
    // An escape takes at most six bytes for each byte of what it stands for: a longer key need not be decoded.
    if (isEscaped && key.length <= 6 * child.key.length && decodeString(key) === child.name)
      return child;
    if (!isEscaped && isEqual(key, child.key)) return child;
  }
  return undefined;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true }); // a U+FEFF inside a body is a character

/** The string that is written as `between` the quotes of a valid JSON text. */
export function decodeString(between: Uint8Array): string {
  const raw = utf8.decode(between);
  return raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
}
