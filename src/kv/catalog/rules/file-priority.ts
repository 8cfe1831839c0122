/**
 * How dearly a file is kept: as much as the dearest session that refers to anything in it. To know that exactly at every moment
 * would cost every reference a look at the whole file. So a file has a floor, never more than the truth, and the index of what may
 * be evicted goes by it: nothing that may go is hidden, and what an eviction meets too early it moves to its place.
 */
import { copiesOf } from "../../copies.ts";
import type { Holder, Segment } from "../../records.ts";
import { files, sessionsWith } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";

/** Above every priority. */
export const PINNED = 1_001;

/** Somebody refers to the segment from now on. */
export function raisePriorities(tx: CatalogTransaction, segment: Segment, holder: Holder): void {
  const isSpare = segment.replicas.length > 0;
  const worth = isSpare ? spareWorthOf(tx, holder) : worthOf(tx, holder);
  for (const copy of copiesOf(segment)) {
    if (files.must(tx, copy).priorityFloor >= worth) continue;
    files.update(tx, copy, (file) => ({ ...file, priorityFloor: worth }));
  }
}

/** Somebody who refers to the segment lets go, or is worth less; or it has another copy now. */
export function forgetPriorities(tx: CatalogTransaction, segment: Segment): void {
  for (const copy of copiesOf(segment)) {
    if (files.must(tx, copy).priorityFloor === 0) continue;
    files.update(tx, copy, (file) => ({ ...file, priorityFloor: 0 }));
  }
}

/** Pins that have lapsed were lifted before. A prefix is as good as pinned. */
export function worthOf(view: CatalogView, holder: Holder): number {
  if (holder.kind === "prefix") return PINNED;
  const { pinnedUntilMs, retention } = sessionsWith(view, holder).must(view, holder);
  return pinnedUntilMs > 0 ? PINNED : retention.priority;
}

/** Of a copy besides which there is another: nothing ends with it, so no pin keeps it, and a prefix has no other worth. */
export function spareWorthOf(view: CatalogView, holder: Holder): number {
  if (holder.kind === "prefix") return 0;
  return sessionsWith(view, holder).must(view, holder).retention.priority;
}
