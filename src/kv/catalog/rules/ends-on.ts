import type { PromptNamespace, PromptView } from "../../catalog.ts";
import { ANCHOR_STEPS } from "../../chain/chain-place.ts";
import type { Segment } from "../../records.ts";
import { anchorEntry, chainEntry } from "../chain-index.ts";
import type { ChainEntry } from "../record-codecs.ts";
import { segmentAt } from "../tables.ts";
import type { CatalogView } from "../transaction.ts";

export interface FoundEnd {
  readonly segment: Segment;
  /** Where the index has it: units of the prompt's chain. It may end elsewhere. */
  readonly at: number;
}

/** What a namespace has at ends that are the prompt's too, the shortest first. */
export function* endsOn(
  view: CatalogView,
  { length, step }: Pick<PromptView, "length" | "step">,
  namespace: PromptNamespace,
): Generator<FoundEnd> {
  for (let anchor = 0; anchor * step <= length; anchor += ANCHOR_STEPS) {
    const anchorKey = namespace.gridKey(anchor);
    for (const { offset } of anchorEntry(view, anchorKey)) {
      const index = anchor + offset;
      if (index * step > length) break;
      // Of the points at this offset, which may all be other prompts' own.
      const grid = { anchorKey, offset };
      const point = chainEntry(view, grid, namespace.gridKey(index));
      yield* endingAt(view, index * step, point);
      for (const leaf of point.leaves) {
        const at = index * step + leaf.offset;
        if (at > length) break;
        yield* endingAt(view, at, chainEntry(view, grid, namespace.leafKey(index, leaf.offset)));
      }
    }
  }
}

function endingAt(view: CatalogView, at: number, { ends }: ChainEntry): FoundEnd[] {
  return ends.flatMap(({ segment: id }) => {
    const segment = segmentAt(view, id);
    return segment === undefined ? [] : [{ segment, at }];
  });
}
