/**
 * How dearly a file is kept: as much as the dearest session that refers to anything in it. To know that exactly at every moment
 * would cost every reference a look at the whole file. So a file has a floor, never more than the truth, and the index of what may
 * be evicted goes by it: nothing that may go is hidden, and what an eviction meets too early it moves to its place.
 */
import type { FileRef, Holder } from "../../records.ts";
import { files, sessionsWith } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";

/** Above every priority. */
export const PINNED = 1_001;

/** Somebody refers to something in it from now on. */
export function raisePriority(tx: CatalogTransaction, ref: FileRef, holder: Holder): void {
  const worth = worthOf(tx, holder);
  const { priorityFloor } = files.must(tx, ref);
  if (priorityFloor < worth) files.update(tx, ref, (file) => ({ ...file, priorityFloor: worth }));
}

/** Somebody who refers to something in it lets go, or is worth less. */
export function forgetPriority(tx: CatalogTransaction, ref: FileRef): void {
  const { priorityFloor } = files.must(tx, ref);
  if (priorityFloor > 0) files.update(tx, ref, (file) => ({ ...file, priorityFloor: 0 }));
}

/** Pins that have lapsed were lifted before. A prefix is as good as pinned. */
export function worthOf(view: CatalogView, holder: Holder): number {
  if (holder.kind === "prefix") return PINNED;
  const { pinnedUntilMs, retention } = sessionsWith(view, holder).must(view, holder);
  return pinnedUntilMs > 0 ? PINNED : retention.priority;
}
