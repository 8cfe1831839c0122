import type { ReadLeaseRequest } from "../../catalog.ts";
import type { Segment } from "../../records.ts";
import { files, segmentAt } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";

export function leaseRead(
  tx: CatalogTransaction,
  { segment: id, untilMs }: ReadLeaseRequest,
): Segment | undefined {
  const segment = segmentAt(tx, id);
  if (segment?.state !== "durable") return undefined;
  files.update(tx, segment.file, (file) => ({
    ...file,
    leasedUntilMs: Math.max(file.leasedUntilMs, untilMs),
  }));
  return segment;
}
