/** What a sieve is to look for in a JSON text, compiled once. */
import { childOf, compileFieldPaths, type PathNode } from "../../../json/json-paths.ts";
import { endOfString, jsonText } from "../../../json/json-tokens.ts";

/** Dotted paths of members. None of `read` is above another one. */
export interface SievePaths {
  /** Captured; numbered by their position here. */
  readonly read: readonly string[];
  /** Taken out of the text. An object that has lost its only members goes with them, except the root. */
  readonly removed: readonly string[];
  /** Among those: the answer to what is ours alone, for which an engine makes a text of its own. */
  readonly report: string | undefined;
  /** Members of the root that alone are of no use to anybody. */
  readonly idle: readonly string[];
  /** And that are of none where they hold nothing but keys, numbers and nulls. */
  readonly blank: readonly string[];
}

export class SievePlan {
  readonly root: PathNode;
  /** Bytes of a key that no wanted key is longer than, in whatever spelling, with its closing quote. */
  readonly keyLimit: number;
  readonly #read: number;
  readonly #removed: number;
  readonly #idle: number;
  readonly #report: number;

  constructor({ read, removed, report, idle, blank }: SievePaths) {
    const paths = [...read, ...removed, ...idle, ...blank];
    const names = paths.flatMap((path) => path.split("."));
    this.root = compileFieldPaths(paths).root;
    this.keyLimit = 6 * Math.max(0, ...names.map((name) => name.length)) + 1;
    this.#read = read.length;
    this.#removed = read.length + removed.length;
    this.#idle = this.#removed + idle.length;
    this.#report = report === undefined ? -1 : read.length + removed.indexOf(report);
  }

  /** Else every byte goes on as it comes. */
  get removesAny(): boolean {
    return this.#removed > this.#read;
  }

  /** The number of the field that the member is, among those to read. */
  fieldOf(member: PathNode): number | undefined {
    return member.own.find((field) => field < this.#read);
  }

  isRemoved(member: PathNode): boolean {
    return member.own.some((field) => this.#isRemoved(field));
  }

  /** Something below it is. */
  holdsRemoved(member: PathNode): boolean {
    return member.covered.some((field) => this.#isRemoved(field));
  }

  isReport(member: PathNode): boolean {
    return member.own.includes(this.#report);
  }

  isIdle(member: PathNode): boolean {
    return member.own.some((field) => field >= this.#removed && field < this.#idle);
  }

  mayBeBlank(member: PathNode): boolean {
    return member.own.some((field) => field >= this.#idle);
  }

  #isRemoved(field: number): boolean {
    return field >= this.#read && field < this.#removed;
  }
}

/** A key as it comes, as much of it as a wanted key may be long. */
export class KeyReader {
  readonly #bytes: Uint8Array;
  readonly #text;
  #size = 0;

  constructor(limit: number) {
    this.#bytes = new Uint8Array(limit);
    this.#text = jsonText(this.#bytes);
  }

  begin(): void {
    this.#size = 0;
  }

  /** Of what is behind the opening quote, the closing one included. False: it is longer than any wanted key. */
  add(bytes: Uint8Array, from: number, to: number): boolean {
    for (let i = from; i < to && this.#size <= this.#bytes.length; i++) {
      this.#bytes[this.#size++] = bytes[i] ?? 0;
    }
    return this.#size <= this.#bytes.length;
  }

  /** The child of `node` that the whole key stands for. */
  match(node: PathNode): PathNode | undefined {
    const isWhole = endOfString(this.#text, 0) === this.#size;
    return isWhole ? childOf(node, this.#text, 0) : undefined;
  }
}
