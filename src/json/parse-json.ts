/**
 * The value of a JSON text, as `JSON.parse` gives it, in time that is linear whatever the text holds. `JSON.parse` is not: it learns
 * the shape of every object, and 8 MiB of small objects with ever other keys keep it for 16 seconds. Objects without a prototype
 * have no shape to be learnt.
 */
import { decodeString } from "./json-paths.ts";
import { jsonText, QUOTE } from "./json-tokens.ts";
import { walkJsonInSlices, type JsonVisitor } from "./json-walk.ts";
import type { Slices } from "./slices.ts";

/** Of one valid text, no deeper than `JSON_DEPTH_LIMIT`. Of equal keys the last wins. Objects have no prototype. */
export function* parseJsonInSlices(bytes: Uint8Array): Slices<unknown> {
  const builder = new Builder(bytes);
  yield* walkJsonInSlices(jsonText(bytes), builder);
  return builder.value;
}

type JsonContainer = unknown[] | Record<string, unknown>;

class Builder implements JsonVisitor {
  /** The last value that was put anywhere; at the end the root. */
  value: unknown;
  readonly #bytes: Uint8Array;
  readonly #open: JsonContainer[] = [];
  /** For each open object, the key whose value is being read; for the innermost it is `#key`. */
  readonly #keys: string[] = [];
  #key = "";

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  key(start: number, end: number): void {
    this.#key = decodeString(this.#bytes.subarray(start, end));
  }

  scalar(start: number, end: number): void {
    this.#put(this.#scalar(start, end));
  }

  open(_start: number, isArray: boolean): void {
    this.#keys.push(this.#key);
    this.#open.push(isArray ? [] : (Object.create(null) as Record<string, unknown>));
  }

  close(): void {
    this.#key = this.#keys.pop() ?? "";
    this.#put(this.#open.pop());
  }

  #put(value: unknown): void {
    const container = this.#open.at(-1);
    if (Array.isArray(container)) container.push(value);
    else if (container !== undefined) container[this.#key] = value;
    this.value = value;
  }

  #scalar(start: number, end: number): unknown {
    switch (this.#bytes[start]) {
      case QUOTE:
        return decodeString(this.#bytes.subarray(start + 1, end - 1));
      case 0x74: // true
        return true;
      case 0x66: // false
        return false;
      case 0x6e: // null
        return null;
      default:
        return Number(ascii.decode(this.#bytes.subarray(start, end)));
    }
  }
}

const ascii = new TextDecoder("latin1");
