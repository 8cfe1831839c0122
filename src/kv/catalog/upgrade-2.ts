/** From version 2, in which the room of a copy that is being made counted as written, to version 3. Records are as they were. */
import { bookedBytesOf } from "../records.ts";
import { chargeLocation } from "./sums.ts";
import { isAwaited } from "./tables.ts";
import type { CatalogTransaction } from "./transaction.ts";
import { readableFiles } from "./upgrade-1.ts";

export function upgradeFrom2(tx: CatalogTransaction): void {
  for (const file of readableFiles(tx)) {
    if (!isAwaited(file) || file.hasStat) continue;
    chargeLocation(tx, file.location, { unwrittenBytes: bookedBytesOf(file) });
  }
}
