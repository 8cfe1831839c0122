/** Moves what survives in a file that is mostly unreferenced into objects of its own, one for each segment. */
import { copiesOf, withCopies } from "../../copies.ts";
import { isSameFile } from "../../records.ts";
import type { CompactableFile, CompactableRequest, MoveRequest } from "../../space.ts";
import { compactableKey, parseCompactable, scanAfter, UNLIMITED } from "../keys.ts";
import { files, segments, segmentsIn } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";
import { copyAt, fill, isBooked, renewQuarantine } from "./copies.ts";

export function compactable(
  view: CatalogView,
  { after, limit }: CompactableRequest,
): readonly CompactableFile[] {
  const found = scanAfter(view, after === undefined ? "z" : compactableKey(after), limit);
  return found
    .map(({ key }) => files.at(view, parseCompactable(key)))
    .filter((file) => file !== undefined)
    .map((file) => ({ file, segments: segmentsIn(view, file, UNLIMITED) }));
}

/** The copy keeps its rank: a first one stays the first. */
export function moveSegment(tx: CatalogTransaction, request: MoveRequest): boolean {
  const { segment: id, from, to, nowMs } = request;
  const moved = copyAt(tx, { segment: id, file: from });
  if (moved === undefined || !isBooked(tx, moved, request)) return false;
  if (moved.replicas.some(({ location }) => location === to.location)) return false;
  const { location, name } = to;
  fill(tx, request);
  segments.update(tx, { id }, (segment) => {
    const copies = copiesOf(segment).map((copy) =>
      isSameFile(copy, from) ? { location, name, kvStart: 0 } : copy,
    );
    return withCopies(segment, copies) ?? segment;
  });
  renewQuarantine(tx, from, nowMs);
  return true;
}
