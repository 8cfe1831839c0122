/**
 * Whether what `JSON.parse` makes of a text tells all that another parser may see in it. It does not where a number is written in
 * more digits than a double holds, or otherwise than a double is (`1.0`, `1e5`, `-0`), nor where the keys of an object are numbers:
 * those come first, in their own order. Two texts that differ in such a way are one to us, and two prompts to a template. Nor does it where
 * others write the number otherwise: what is `0.00001` here, Python writes as `1e-05`.
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

/** Whether others who parse that number and write it out again write what we do. */
export function isExactNumber(written: string): boolean {
  const value = Number(written);
  if (String(value) !== written || written.includes("e")) return false;
  return value === 0 || Math.abs(value) >= LEAST_WRITTEN_OUT;
}

/** Python writes smaller ones with an exponent. */
const LEAST_WRITTEN_OUT = 1e-4;

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
    this.isExact = isExactNumber(written);
  }

  open(): void {}

  close(): void {}
}

const NINE = 0x39; // literals begin above it
const INDEX = /^\d+$/;
/** Ten digits, all escaped. */
const LONGEST_INDEX_KEY = 60;
const ascii = new TextDecoder("latin1");
