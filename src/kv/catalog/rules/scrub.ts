/** The order in which everything durable is read again, and how far that has come. */
import type { Segment, SegmentId } from "../../records.ts";
import { decode, encode, textOf } from "../codec.ts";
import { scanAfter, scrubKey, segmentKey } from "../keys.ts";
import { segments } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";

/** Of what is not durable there is little: a part of each turn under way. */
const LOOKED_AT_ONCE = 8;
const position = textOf<SegmentId>();

export function nextSegment(view: CatalogView, after: SegmentId | undefined): Segment | undefined {
  let key = after === undefined ? "g" : segmentKey(after);
  for (;;) {
    const page = scanAfter(view, key, LOOKED_AT_ONCE);
    for (const { key: at } of page) {
      const segment = segments.at(view, at);
      if (segment?.state === "durable") return segment;
      key = at;
    }
    if (page.length < LOOKED_AT_ONCE) return undefined;
  }
}

export function scrubPosition(view: CatalogView): SegmentId | undefined {
  const encoded = view.get(scrubKey);
  return encoded === undefined ? undefined : decode(position, encoded);
}

export function keepScrubPosition(tx: CatalogTransaction, id: SegmentId | undefined): void {
  if (id === undefined) tx.remove(scrubKey);
  else tx.put(scrubKey, encode(position, id));
}
