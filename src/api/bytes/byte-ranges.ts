/**
 * The Range header of a GET (RFC 9110, section 14). What is no valid set of byte ranges is ignored, as the RFC asks, so the whole
 * is sent. A set is bounded twice: by how many ranges it names, and by joining those that overlap, so that no request makes more
 * bytes than there are.
 */
import type { ByteRange } from "../../kv/location.ts";

/** A set with more is refused. */
export const RANGES_LIMIT = 64;

export type RangeChoice =
  | { readonly kind: "whole" }
  /** At least one, each within the size, no two overlapping. In the order asked for, unless some had to be joined. */
  | { readonly kind: "partial"; readonly ranges: readonly ByteRange[] }
  /** Nothing of it is there, or there are too many. */
  | { readonly kind: "unsatisfiable" };

const SPECIFIER = /^bytes=(.*)$/i;
const RANGE = /^(\d*)-(\d*)$/;

export function chooseRanges(header: string | undefined, sizeBytes: number): RangeChoice {
  const set = SPECIFIER.exec(header ?? "")?.[1];
  if (set === undefined) return { kind: "whole" };
  const specs = set.split(",").map((spec) => spec.trim());
  const named = specs.filter((spec) => spec !== "").map((spec) => RANGE.exec(spec));
  if (named.length === 0 || !named.every(isValid)) return { kind: "whole" };
  if (named.length > RANGES_LIMIT) return { kind: "unsatisfiable" };
  const ranges = named.map((range) => resolve(range, sizeBytes)).filter(({ length }) => length > 0);
  return ranges.length === 0
    ? { kind: "unsatisfiable" }
    : { kind: "partial", ranges: joinOverlapping(ranges) };
}

function isValid(range: RegExpExecArray | null): range is RegExpExecArray {
  if (range === null) return false;
  const [, first, last] = range;
  if (first === "") return last !== "";
  return last === "" || Number(first) <= Number(last);
}

/** Of length 0 where nothing of it is there. Numbers past all integers lose their last digits, and are past any size before. */
function resolve([, first = "", last = ""]: RegExpExecArray, sizeBytes: number): ByteRange {
  if (first === "") {
    const length = Math.min(Number(last), sizeBytes);
    return { offset: sizeBytes - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  return { offset, length: Math.max(0, end - offset) };
}

function joinOverlapping(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const joined: { offset: number; length: number }[] = [];
  for (const { offset, length } of ranges.toSorted((a, b) => a.offset - b.offset)) {
    const last = joined.at(-1);
    if (last === undefined || offset >= last.offset + last.length) joined.push({ offset, length });
    else last.length = Math.max(last.length, offset + length - last.offset);
  }
  return joined.length === ranges.length ? ranges : joined;
}
