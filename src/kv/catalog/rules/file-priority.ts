/**
 * How dearly a file is kept: as much as the dearest session that refers to anything in it. To know that exactly at every moment
 * would cost every reference a look at the whole file. So a file has a floor, never more than the truth, and the index of what may
 * be evicted goes by it: nothing that may go is hidden, and what an eviction meets too early it moves to its place.
 */
import type { FileRef } from "../../records.ts";
import { files } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";

/** Above every priority. */
export const PINNED = 1_001;

/** Somebody who refers to something in it lets go, or is worth less. */
export function forgetPriority(tx: CatalogTransaction, ref: FileRef): void {
  const { priorityFloor } = files.must(tx, ref);
  if (priorityFloor > 0) files.update(tx, ref, (file) => ({ ...file, priorityFloor: 0 }));
}
