/**
 * From version 3 to version 4, in which a segment may be a snapshot and a file that of one: none here. Both say so at the end of their records. What cannot be
 * read is too short or too long, and stays so.
 */
import { scanPages, under } from "./keys.ts";
import type { CatalogTransaction } from "./transaction.ts";

/** Records that are read at once. */
const PAGE = 1_000;
const NO = Uint8Array.of(0);

export function upgradeFrom3(tx: CatalogTransaction): void {
  for (const letter of ["g", "f"]) {
    const entries = scanPages(tx, { ...under(letter), limit: PAGE });
    for (const { key, value } of entries) tx.put(key, Buffer.concat([value, NO]));
  }
}
