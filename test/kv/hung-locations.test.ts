import { describe, expect, it } from "vitest";

import { HUNG, HungLocations } from "../../src/kv/hung-locations.ts";
import { type Location, LocationFault, type ObjectStat } from "../../src/kv/location.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";

function share(stat: () => Promise<ObjectStat | undefined | LocationFault>): Location {
  const profile = { id: "share", tier: "remote", weight: 1, capacityBytes: 1, freeFloorBytes: 0 };
  return { profile, stat } as Partial<Location> as Location;
}

describe("a location that hangs", () => {
  it("is asked nothing more until all that hangs there has ended, however it does", async () => {
    const clock = new FakeClock();
    const hung = new HungLocations(clock);
    const [one, other] = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
    const place = share(async () => undefined);
    const asked = [one, other].map(({ promise }) => hung.ask(place, () => promise, 100));
    await clock.advance(99);
    expect(hung.isHung("share")).toBe(false);
    await clock.advance(1);
    expect(await Promise.all(asked)).toEqual([HUNG, HUNG]);
    let count = 0;
    const question = async () => ++count;
    expect(await hung.ask(place, question, 100)).toBe(HUNG);
    expect(hung.isHung("other")).toBe(false);
    one.resolve(1);
    await settle();
    expect(await hung.ask(place, question, 100)).toBe(HUNG);
    other.reject(new Error("stale handle"));
    await settle();
    expect(await hung.ask(place, question, 100)).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it("is not there, nor is one whose store is not, and one that has no such object is", async () => {
    const clock = new FakeClock();
    const hung = new HungLocations(clock);
    const fault = new LocationFault("io", "not mounted");
    expect(
      await hung.isThere(
        share(async () => undefined),
        100,
      ),
    ).toBe(true);
    expect(
      await hung.isThere(
        share(async () => fault),
        100,
      ),
    ).toBe(false);
    const never = hung.isThere(
      share(() => new Promise(() => {})),
      100,
    );
    await clock.advance(100);
    expect(await never).toBe(false);
  });
});
