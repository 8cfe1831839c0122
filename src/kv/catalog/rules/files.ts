import type { FilesRequest, PostponeRequest } from "../../files.ts";
import type { ObjectStat } from "../../location.ts";
import type { FileRef, StoredFile } from "../../records.ts";
import { fileKey, scanAfter } from "../keys.ts";
import { files, hasQuarantine } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";

/** A settled segment has recorded what was there later. */
export function made(tx: CatalogTransaction, ref: FileRef, stat: ObjectStat): void {
  const file = files.get(tx, ref);
  if (file !== undefined && file.stat === undefined) files.save(tx, { ...file, stat });
}

/** They are due again as late as what falls due next. */
export function postpone(
  tx: CatalogTransaction,
  { files: refs, nowMs, quarantineMs }: PostponeRequest,
): void {
  for (const ref of refs) {
    const file = files.get(tx, ref);
    if (file === undefined) continue;
    const sinceMs = Math.max(0, nowMs + 1 - (hasQuarantine(file) ? quarantineMs : 0));
    if (file.leasedUntilMs >= sinceMs) continue;
    files.save(tx, { ...file, leasedUntilMs: sinceMs });
  }
}

export function filesAfter(view: CatalogView, { after, limit }: FilesRequest): StoredFile[] {
  const entries = scanAfter(view, after === undefined ? "f" : fileKey(after), limit);
  return entries
    .map(({ key }) => files.at(view, key))
    .filter((file): file is StoredFile => file !== undefined);
}
