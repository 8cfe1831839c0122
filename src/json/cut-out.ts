/** A JSON text without the members that are to be cut out of it, and what was found in it at its new places. */
import type { FoundMember, FoundObject, MembersScan, Span } from "./json-members.ts";
import type { Slices } from "./slices.ts";
import { rewriteInSlices } from "./splice.ts";

export interface CutText {
  /** Valid JSON again; the old bytes where nothing is cut out. */
  readonly bytes: Uint8Array;
  /** Its `cutMembers` are those that it had. */
  readonly root: FoundObject | undefined;
}

export function* cutOutInSlices(
  bytes: Uint8Array,
  { root, cuts }: Pick<Extract<MembersScan, { kind: "members" }>, "root" | "cuts">,
): Slices<CutText> {
  if (cuts.length === 0) return { bytes, root };
  const left = yield* rewriteInSlices(bytes, cuts);
  return { bytes: left, root: root && movedObject(root, yield* placesBehind(cuts)) };
}

/** Of a place in the old text, its place in the new one. */
type Move = (at: number) => number;

/** Of one slice: a fraction of a millisecond. */
const CUTS_AT_ONCE = 8_192;

/** What is moved is in none of the cuts. */
function* placesBehind(cuts: readonly Span[]): Slices<Move> {
  const removed = new Float64Array(cuts.length + 1);
  let sum = 0;
  for (const [i, { start, end }] of cuts.entries()) {
    if (i > 0 && i % CUTS_AT_ONCE === 0) yield;
    removed[i + 1] = sum += end - start;
  }
  return (at) => {
    let [low, high] = [0, cuts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cuts[middle]?.end ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return at - (removed[low] ?? 0);
  };
}

function movedObject(object: FoundObject, move: Move): FoundObject {
  const members = new Map<string, FoundMember>();
  for (const [name, { key, value, object: inner }] of object.members) {
    members.set(name, {
      key: movedSpan(key, move),
      value: movedSpan(value, move),
      object: inner && movedObject(inner, move),
    });
  }
  return { ...object, start: move(object.start), members };
}

function movedSpan({ start, end }: Span, move: Move): Span {
  return { start: move(start), end: move(end) };
}
