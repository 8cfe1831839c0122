/**
 * Where a JSON value ends that comes in pieces, by its brackets and strings alone: whatever else is in it, and however deep, is none
 * of its business.
 */
import { BACKSLASH, QUOTE } from "../../../json/json-tokens.ts";

export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const COMMA = 0x2c;
export const COLON = 0x3a;

/** No end so far. */
export const NONE = -1;

export class ValueEnd {
  #brackets = 0;
  #place: "between" | "string" | "scalar" = "between";
  /** The byte behind a backslash is still to come. */
  #isEscaped = false;

  /** A value begins at the next byte, which is no white space. */
  begin(): void {
    this.#brackets = 0;
    this.#place = "between";
    this.#isEscaped = false;
  }

  /** A string has begun; its opening quote was the last byte. */
  beginString(): void {
    this.begin();
    this.#place = "string";
  }

  get isInString(): boolean {
    return this.#place === "string";
  }

  get isScalar(): boolean {
    return this.#place === "scalar";
  }

  /** The offset behind the value's last byte, or NONE where it goes on at `to`. */
  find(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      if (this.#place === "scalar") return endOfScalar(bytes, at, to);
      if (this.#place === "string") {
        at = this.#endOfString(bytes, at, to);
        if (at === NONE) return NONE;
        this.#place = "between";
      } else {
        at = this.#nextPlace(bytes, at, to);
      }
      if (this.#brackets === 0 && this.#place === "between") return at;
    }
    return NONE;
  }

  /** Behind the next byte that begins a string, or begins or ends the value. */
  #nextPlace(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const byte = bytes[at++] ?? 0;
      if (byte === QUOTE) {
        this.#place = "string";
        return at;
      }
      const folded = byte | 0x20; // the two kinds of brackets differ in this bit
      if (folded === OPEN_OBJECT) {
        this.#brackets++;
      } else if (folded === CLOSE_OBJECT) {
        if (--this.#brackets === 0) return at;
      } else if (this.#brackets === 0) {
        this.#place = "scalar";
        return at;
      }
    }
    return at;
  }

  #endOfString(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    if (this.#isEscaped) {
      this.#isEscaped = false;
      at++;
    }
    while (at < to) {
      const byte = bytes[at++];
      if (byte === QUOTE) return at;
      if (byte === BACKSLASH && ++at > to) this.#isEscaped = true;
    }
    return NONE;
  }
}

export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** At white space, or at a byte that begins or ends something else. */
function endOfScalar(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    switch (bytes[at]) {
      case COMMA:
      case COLON:
      case QUOTE:
      case OPEN_OBJECT:
      case CLOSE_OBJECT:
      case OPEN_ARRAY:
      case CLOSE_ARRAY:
        return at;
      default:
        if (isSpace(bytes[at])) return at;
    }
  }
  return NONE;
}
