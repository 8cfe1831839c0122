/** Lists of token ids, from and to JSON. A prompt has many, and each is a few digits, so neither way makes strings of them. */
import type { Span } from "../../../json/json-members.ts";
import { skipSpace } from "../../../json/json-tokens.ts";
import type { Slices } from "../../../json/slices.ts";

/** More than any model reads. A longer list counts as none. */
export const PROMPT_IDS_LIMIT = 1 << 20;

const LARGEST_ID = 2 ** 32 - 1;
const DIGITS_LIMIT = 10;
const [ZERO, NINE, COMMA, OPEN, CLOSE] = [0x30, 0x39, 0x2c, 0x5b, 0x5d] as const;

/** Of one slice: a millisecond or two. */
const IDS_AT_ONCE = 32_768;

/**
 * The ids in a valid JSON array. "batch": it is one of arrays. Undefined: something in it is no integer from 0 to 2^32 - 1, or
 * there is nothing in it, or too much.
 */
export function* readTokenIds(
  bytes: Uint8Array,
  { start, end }: Span,
): Slices<Uint32Array | "batch" | undefined> {
  const first = skipSpace(bytes, start + 1);
  if (bytes[first] === OPEN) return "batch";
  const most = Math.min(PROMPT_IDS_LIMIT, (end - start) >>> 1); // of one digit and a comma each
  const read: ReadIds = { ids: new Uint32Array(most), count: 0, at: first };
  while (!readSome(bytes, read)) yield;
  return read.at < 0 ? undefined : read.ids.subarray(0, read.count);
}

interface ReadIds {
  readonly ids: Uint32Array;
  count: number;
  /** Where the next one begins; below 0 where something is no id. */
  at: number;
}

/** One slice. True when that was the last one. */
function readSome(bytes: Uint8Array, read: ReadIds): boolean {
  const { ids } = read;
  const until = read.count + IDS_AT_ONCE;
  let { at, count } = read;
  read.at = -1;
  for (; count < until; at = skipSpace(bytes, at + 1)) {
    const first = at;
    let id = 0;
    for (let byte = bytes[at] ?? 0; byte >= ZERO && byte <= NINE; byte = bytes[++at] ?? 0) {
      id = id * 10 + byte - ZERO;
    }
    const isId = at > first && at - first <= DIGITS_LIMIT && id <= LARGEST_ID;
    if (!isId || count === ids.length) return true;
    ids[count++] = id;
    at = skipSpace(bytes, at);
    if (bytes[at] === CLOSE) {
      Object.assign(read, { at, count });
      return true;
    }
    if (bytes[at] !== COMMA) return true; // a fraction, or an exponent
  }
  Object.assign(read, { at, count });
  return false;
}

/** A JSON array. */
export function writeTokenIds(ids: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(2 + ids.length * (DIGITS_LIMIT + 1));
  let at = 0;
  bytes[at++] = OPEN;
  for (let i = 0; i < ids.length; i++) {
    if (i > 0) bytes[at++] = COMMA;
    at = writeDigits(bytes, at, ids[i] ?? 0);
  }
  bytes[at++] = CLOSE;
  return bytes.subarray(0, at);
}

/** Returns where they end. In whole numbers of 32 bits, as far as the language lets us: most of injecting a long prompt is this. */
function writeDigits(bytes: Uint8Array, at: number, id: number): number {
  let end = at + 1;
  for (let power = 10; id >= power; power *= 10) end++;
  let rest = id >>> 0;
  for (let i = end - 1; i >= at; i--) {
    const tenth = (rest / 10) >>> 0;
    bytes[i] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return end;
}
