/**
 * What copies for reading may take of a location, so that whoever stores finds room there too: copies are made ahead of reads, by anybody
 * who may prefetch, and one that a session of a higher priority refers to is not evicted for one of a lower.
 */
import { type LocationProfile, roomIn, type SpaceBooks } from "./location.ts";
import type { LocationUsage } from "./records.ts";

/** Of all that a location has room for, whatever is in it. */
const COPIES_SHARE = 1 / 2;

/** Below 0 where copies have more than their share. Beside this there is to be room. */
export function copiesRoom(
  profile: LocationProfile,
  books: SpaceBooks & Pick<LocationUsage, "replicaBytes">,
): number {
  const all = books.bookedBytes + roomIn(profile, books);
  return COPIES_SHARE * all - books.replicaBytes;
}
