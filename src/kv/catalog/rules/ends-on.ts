import type { PromptNamespace, PromptView } from "../../catalog.ts";
import { ANCHOR_STEPS } from "../../chain/chain-place.ts";
import type { Segment, SegmentId } from "../../records.ts";
import { anchorEntry, chainEntry } from "../chain-index.ts";
import type { ChainEntry } from "../record-codecs.ts";
import { segmentAt } from "../tables.ts";
import type { CatalogView } from "../transaction.ts";

export interface FoundEnd {
  readonly segment: Segment;
  /** Where the index has it: units of the prompt's chain. It may end elsewhere. */
  readonly at: number;
}

/** An end that is the prompt's too. */
export interface EndPlace {
  /** As of a `FoundEnd`. */
  readonly at: number;
  /** By token start, then by id. */
  readonly segments: readonly SegmentId[];
}

/** What a namespace has at ends that are the prompt's too, the shortest first. */
export function* endsOn(
  view: CatalogView,
  prompt: Pick<PromptView, "length" | "step">,
  namespace: PromptNamespace,
): Generator<FoundEnd> {
  for (const { at, segments } of endPlaces(view, prompt, namespace)) {
    for (const id of segments) {
      const segment = segmentAt(view, id);
      if (segment !== undefined) yield { segment, at };
    }
  }
}

/** Where those ends are, the shortest first, and what has them. */
export function* endPlaces(
  view: CatalogView,
  { length, step }: Pick<PromptView, "length" | "step">,
  namespace: PromptNamespace,
): Generator<EndPlace> {
  for (let anchor = 0; anchor * step <= length; anchor += ANCHOR_STEPS) {
    const anchorKey = namespace.gridKey(anchor);
    for (const { offset } of anchorEntry(view, anchorKey)) {
      const index = anchor + offset;
      if (index * step > length) break;
      // Of the points at this offset, which may all be other prompts' own.
      const grid = { anchorKey, offset };
      const point = chainEntry(view, grid, namespace.gridKey(index));
      yield placeOf(index * step, point);
      for (const leaf of point.leaves) {
        const at = index * step + leaf.offset;
        if (at > length) break;
        yield placeOf(at, chainEntry(view, grid, namespace.leafKey(index, leaf.offset)));
      }
    }
  }
}

function placeOf(at: number, { ends }: ChainEntry): EndPlace {
  return { at, segments: ends.map(({ segment }) => segment) };
}
