import { AppError } from "../../errors.ts";
import type { ListedCopy } from "../holders.ts";
import { indexPlace } from "../chain/chain-place.ts";
import type { NamespaceKey } from "../chain/index-key.ts";
import type { Digests } from "../digest.ts";
import type { Segment } from "../records.ts";

/** Durable segments, each in the copy that is read, as they are to be listed by somebody whose namespace has this key. */
export function listedIn(
  namespace: NamespaceKey,
  segments: readonly Segment[],
  digests: Digests,
): ListedCopy[] {
  return segments.map(({ id, file, geometry, chain }) => ({
    segment: id,
    file,
    place() {
      if (chain === undefined) throw new AppError("internal", `listed segment ${id} has no chain`);
      return indexPlace(namespace, { geometry, place: chain.end }, digests);
    },
  }));
}
