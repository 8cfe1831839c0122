import type { CopierOptions } from "../../src/kv/copier.ts";
import { HungLocations } from "../../src/kv/hung-locations.ts";
import { FakeClock } from "./fake-clock.ts";

/** Of a copier that waits for no pace, and for locations as long as they like: this time stands still. */
export function unhurriedCopies(): Pick<CopierOptions, "clock" | "stallMs" | "hung" | "pace"> {
  const clock = new FakeClock();
  return { clock, stallMs: 1, hung: new HungLocations(clock), pace: { pay: async () => {} } };
}
