/** Room that is asked for on behalf of who found too little. Who asks goes on without it: it is there for whoever comes next. */
import type { Catalog } from "../catalog.ts";
import { type LocationProfile, roomIn } from "../location.ts";
import type { Pressure } from "../space.ts";

export interface RoomOptions {
  readonly catalog: Pick<Catalog, "locationUsage">;
  /** Too little room was found, or less is left than there should be. Returns at once and does not throw. */
  readonly pressed: (pressure: Pressure) => void;
}

export interface WantedRoom extends Pick<Pressure, "priority" | "bytes"> {
  readonly location: LocationProfile;
  /** Of the device, as the location said last. */
  readonly freeBytes: number;
}

/** For what would not fit into the empty location either, all that others have there would be evicted in vain. */
export async function askForRoom(
  { catalog, pressed }: RoomOptions,
  { location, priority, bytes, freeBytes }: WantedRoom,
): Promise<void> {
  const { bookedBytes } = await catalog.locationUsage(location.id);
  const empty = { bookedBytes: 0, unwrittenBytes: 0, freeBytes: freeBytes + bookedBytes };
  if (bytes <= roomIn(location, empty)) pressed({ location: location.id, priority, bytes });
}
