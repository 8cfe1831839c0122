/** Copies of a segment besides its first one. */
import { copiesOf } from "../../copies.ts";
import { COPIES_LIMIT } from "../../records.ts";
import type { AddReplicaRequest, DropReplicaOutcome, DropReplicaRequest } from "../../space.ts";
import { segmentAt, segments } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { copyAt, dropCopy, fill, isBooked, isSpare, renewQuarantine } from "./copies.ts";
import { forgetPriorities } from "./file-priority.ts";

export function addReplica(tx: CatalogTransaction, request: AddReplicaRequest): boolean {
  const { segment: id, to } = request;
  const segment = segmentAt(tx, id);
  if (segment?.state !== "durable" || !isBooked(tx, segment, request)) return false;
  const copies = copiesOf(segment);
  const { location, name } = to;
  if (copies.length >= COPIES_LIMIT || copies.some((copy) => copy.location === location)) {
    return false;
  }
  fill(tx, request);
  const replicas = [...segment.replicas, { location, name, kvStart: 0 }];
  segments.save(tx, { ...segment, replicas });
  forgetPriorities(tx, { ...segment, replicas });
  return true;
}

export function dropReplica(
  tx: CatalogTransaction,
  request: DropReplicaRequest,
): DropReplicaOutcome {
  const { file, locations, nowMs } = request;
  const segment = copyAt(tx, request);
  if (segment === undefined) return "gone";
  if (!isSpare(segment, locations)) return "last";
  dropCopy(tx, request);
  renewQuarantine(tx, file, nowMs);
  return "dropped";
}
