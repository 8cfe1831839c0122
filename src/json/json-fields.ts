/**
 * String fields of a JSON body, found in one pass over its bytes. Parsing a prompt of 1 MB for the sake of one short id costs
 * milliseconds and garbage, and blocks every other exchange meanwhile; this keeps offsets only and decodes at most the
 * wanted values.
 *
 * The answer is the one that `JSON.parse` of the strictly decoded text would give: the whole text is validated, keys compare
 * decoded, and the last of several equal keys wins, together with all that is below it.
 */
import { childOf, decodeString, pathNode, type FieldPaths, type PathNode } from "./json-paths.ts";
import { jsonText, QUOTE, type JsonText } from "./json-tokens.ts";
import { walkJsonInSlices, type JsonVisitor } from "./json-walk.ts";
import { atOnce, type Slices } from "./slices.ts";

export { compileFieldPaths, type FieldPaths } from "./json-paths.ts";
export { JSON_DEPTH_LIMIT } from "./json-walk.ts";

/** As written between the quotes. A longer value counts as absent: it could be no id. */
export const JSON_VALUE_LIMIT_BYTES = 4096;

export type FieldScan =
  | {
      readonly kind: "fields";
      /** Aligned with the paths; undefined where the field is missing, is no string, or is over the limit. */
      readonly values: readonly (string | undefined)[];
    }
  /** Not JSON, or too deep. `offset` is the first byte that does not fit; the body's length where it ended too early. */
  | { readonly kind: "unreadable"; readonly offset: number };

/** The fields of an object at the root; a root of another type has none. Linear in the body, whatever it holds. */
export function scanJsonFields(body: Uint8Array, paths: FieldPaths): FieldScan {
  return atOnce(scanJsonFieldsInSlices(body, paths));
}

export function* scanJsonFieldsInSlices(body: Uint8Array, paths: FieldPaths): Slices<FieldScan> {
  const fields = new JsonFields(body, paths);
  const offset = yield* walkJsonInSlices(jsonText(body), fields);
  return offset === undefined
    ? { kind: "fields", values: fields.values() }
    : { kind: "unreadable", offset };
}

/** Stands for containers off every wanted path, and for arrays: what they hold is on no path. */
const ELSEWHERE = pathNode("elsewhere");

/** The same for whoever walks the body anyway. */
export class JsonFields implements JsonVisitor {
  readonly #text: JsonText;
  /** Per field, the offset behind the opening quote of its value so far; -1 while absent. */
  readonly #starts: number[];
  /** Per field, the offset of the closing quote. */
  readonly #ends: number[];
  /** The open containers, innermost last. */
  readonly #open: PathNode[] = [];
  /** The innermost open container; meaningless while none is open. */
  #container = ELSEWHERE;
  /** What the next value is to the paths. */
  #node: PathNode;

  constructor(body: Uint8Array, paths: FieldPaths) {
    this.#text = jsonText(body);
    this.#starts = Array.from({ length: paths.count }, () => -1);
    this.#ends = Array.from({ length: paths.count }, () => -1);
    this.#node = paths.root;
  }

  /** A key in a container on a wanted path: the value that follows replaces what an earlier equal key held. */
  key(start: number): void {
    this.#node = ELSEWHERE;
    if (this.#container.children.length === 0) return;
    const child = childOf(this.#container, this.#text, start);
    if (child === undefined) return;
    this.#node = child;
    for (const field of child.covered) this.#starts[field] = -1;
  }

  scalar(start: number, end: number): void {
    const isKept = this.#text.bytes[start] === QUOTE && end - start - 2 <= JSON_VALUE_LIMIT_BYTES;
    if (!isKept) return;
    for (const field of this.#node.own) {
      this.#starts[field] = start + 1;
      this.#ends[field] = end - 1;
    }
  }

  open(_start: number, isArray: boolean): void {
    this.#container = isArray ? ELSEWHERE : this.#node;
    this.#open.push(this.#container);
    this.#node = ELSEWHERE;
  }

  close(): void {
    this.#open.pop();
    this.#container = this.#open.at(-1) ?? ELSEWHERE;
    this.#node = ELSEWHERE;
  }

  /** When all of a valid text was walked. */
  values(): (string | undefined)[] {
    return this.#starts.map((start, field) =>
      start < 0 ? undefined : decodeString(this.#text.bytes.subarray(start, this.#ends[field])),
    );
  }
}
