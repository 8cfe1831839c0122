/**
 * Whether what `JSON.parse` makes of a text tells all that another parser may see in it. It does not where a number is written in
 * more digits than a double holds, or otherwise than a double is (`1.0`, `1e5`, `-0`), nor where the keys of an object are numbers:
 * those come first, in their own order. Two texts that differ in such a way are one to us, and two prompts to a template.
 */
import { decodeString } from "./json-paths.ts";
import { jsonText, QUOTE } from "./json-tokens.ts";
import { walkJsonInSlices, type JsonVisitor } from "./json-walk.ts";
import type { Slices } from "./slices.ts";

/** Of one valid JSON text. */
export function* isExactJsonInSlices(bytes: Uint8Array): Slices<boolean> {
  const exactness = new Exactness(bytes);
  for (const _ of walkJsonInSlices(jsonText(bytes), exactness)) {
    if (!exactness.isExact) return false;
    yield;
  }
  return exactness.isExact;
}

class Exactness implements JsonVisitor {
  isExact = true;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  key(start: number, end: number): void {
    if (end - start > LONGEST_INDEX_KEY || !this.isExact) return;
    this.isExact = !INDEX.test(decodeString(this.#bytes.subarray(start, end)));
  }

  scalar(start: number, end: number): void {
    const first = this.#bytes[start] ?? 0;
    if (first === QUOTE || first > NINE || !this.isExact) return;
    const written = ascii.decode(this.#bytes.subarray(start, end));
    this.isExact = String(Number(written)) === written && !written.includes("e");
  }

  open(): void {}

  close(): void {}
}

const NINE = 0x39; // literals begin above it
const INDEX = /^\d+$/;
/** Ten digits, all escaped. */
const LONGEST_INDEX_KEY = 60;
const ascii = new TextDecoder("latin1");
