import type { ReadLeaseRequest } from "../../catalog.ts";
import type { Segment } from "../../records.ts";
import { files } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { copyAt } from "./copies.ts";

export function leaseRead(tx: CatalogTransaction, request: ReadLeaseRequest): Segment | undefined {
  const segment = copyAt(tx, request);
  if (segment === undefined) return undefined;
  const { untilMs } = request;
  files.update(tx, segment.file, (file) => ({
    ...file,
    leasedUntilMs: Math.max(file.leasedUntilMs, untilMs),
  }));
  return segment;
}
