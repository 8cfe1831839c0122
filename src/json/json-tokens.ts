/**
 * The lexical half of RFC 8259 over UTF-8 bytes: where a token ends, or at which byte it is broken. Strict, like `JSON.parse`
 * of strictly decoded text: no control characters in strings, no malformed UTF-8 (Unicode, table 3-7), no lenient numbers.
 *
 * Each `endOf...` returns the offset behind the token; a broken token gives `~offset` of the offending byte, which is
 * negative for every offset, so that the hot path allocates nothing.
 */

/** Bytes to scan, with a view for reading four at once. */
export interface JsonText {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;

export function jsonText(bytes: Uint8Array): JsonText {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** The offset of the first byte at or after `at` that is no white space; the length if there is none. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let i = at;
  while (i < bytes.length) {
    const byte = bytes[i] ?? 0;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    i++;
  }
  return i;
}

/** `at` is behind the opening quote. Long strings are most of a chat body, so plain ASCII goes four bytes a step. */
export function endOfString(text: JsonText, at: number): number {
  const { bytes } = text;
  let i = at;
  for (;;) {
    i = skipPlain(text, i);
    const byte = bytes[i] ?? 0; // past the end reads as a control character: broken there
    if (byte === QUOTE) return i + 1;
    if (byte === BACKSLASH) {
      const end = endOfEscape(bytes, i);
      if (end < 0) return end;
      i = end;
    } else if (byte >= 0x80) {
      const end = endOfNonAscii(bytes, i);
      if (end < 0) return end;
      i = end;
    } else if (byte < 0x20) {
      return ~i;
    } else {
      i++;
    }
  }
}

/**
 * The offset of the first quote, backslash, control character or byte above 0x7f at or after `at`; within four bytes of the
 * end possibly a plain byte before it. XOR turns "equal" into "zero", and a subtraction borrows into a byte's top bit when
 * that byte is below the subtrahend. A borrow may mark the bytes above it wrongly, never those below: the lowest mark is right.
 */
function skipPlain(text: JsonText, at: number): number {
  const { view } = text;
  const last = view.byteLength - 4;
  let i = at;
  while (i <= last) {
    const word = view.getInt32(i, true);
    const quotes = (word ^ 0x22222222) - 0x01010101;
    const backslashes = (word ^ 0x5c5c5c5c) - 0x01010101;
    const controls = word - 0x20202020;
    const marks = (word | quotes | backslashes | controls) & 0x80808080;
    if (marks !== 0) return i + ((31 - Math.clz32(marks & -marks)) >> 3);
    i += 4;
  }
  return i;
}

/** `at` is a backslash. */
function endOfEscape(bytes: Uint8Array, at: number): number {
  switch (bytes[at + 1]) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // slash
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 2;
    case 0x75: // u
      for (let i = at + 2; i < at + 6; i++) if (!isHexDigit(bytes[i] ?? 0)) return ~i;
      return at + 6;
    default:
      return ~(at + 1);
  }
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

/** `at` is a byte above 0x7f: takes the whole run of such characters. */
function endOfNonAscii(bytes: Uint8Array, at: number): number {
  let i = at;
  for (let lead = bytes[i] ?? 0; lead >= 0x80; lead = bytes[i] ?? 0) {
    const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4) return ~i;
    const second = bytes[i + 1] ?? 0;
    // The second byte alone excludes overlong forms, surrogates and what is above U+10FFFF.
    const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (second < lowest || second > highest) return ~(i + 1);
    for (let k = 2; k < length; k++) if (((bytes[i + k] ?? 0) & 0xc0) !== 0x80) return ~(i + k);
    i += length;
  }
  return i;
}

/** `at` is a minus sign or a digit. */
export function endOfNumber(bytes: Uint8Array, at: number): number {
  let i = bytes[at] === 0x2d ? at + 1 : at;
  if (!isDigit(bytes[i] ?? 0)) return ~i;
  i = bytes[i] === 0x30 ? i + 1 : skipDigits(bytes, i); // nothing follows a leading zero
  if (bytes[i] === 0x2e) {
    i++;
    if (!isDigit(bytes[i] ?? 0)) return ~i;
    i = skipDigits(bytes, i);
  }
  if (((bytes[i] ?? 0) | 0x20) === 0x65) {
    i++;
    if (bytes[i] === 0x2b || bytes[i] === 0x2d) i++;
    if (!isDigit(bytes[i] ?? 0)) return ~i;
    i = skipDigits(bytes, i);
  }
  return i;
}

function skipDigits(bytes: Uint8Array, at: number): number {
  let i = at;
  while (isDigit(bytes[i] ?? 0)) i++;
  return i;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

const literals: ReadonlyMap<number | undefined, Uint8Array> = new Map(
  ["true", "false", "null"].map((word) => {
    const bytes = new TextEncoder().encode(word);
    return [bytes[0], bytes];
  }),
);

/** `true`, `false` or `null` at `at`; anything else is broken. */
export function endOfLiteral(bytes: Uint8Array, at: number): number {
  const literal = literals.get(bytes[at]);
  if (literal === undefined) return ~at;
  for (let i = 1; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return ~(at + i);
  return at + literal.length;
}
