import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { SegmentId } from "../../../src/kv/records.ts";
import type { Scrubber } from "../../../src/kv/verify/scrubber.ts";
import { INTERVAL_MS, ScrubStand } from "./scrub-stand.ts";
import { hooked } from "./stand.ts";

let stand: ScrubStand;
beforeEach(async () => {
  stand = await ScrubStand.open();
});
afterEach(() => stand.close());

describe("the scrubber's end and its failures", () => {
  it("goes on after the store of segments has failed, and waits before", async () => {
    await stand.durable("a");
    stand.segments.failure = new Error("no catalog");
    stand.openScrubber();
    await stand.until(() => stand.failures.length === 1 && stand.clock.pendingTimers === 1);
    stand.segments.failure = undefined;
    await stand.clock.advance(999);
    expect(stand.ends).toEqual([]);

    await stand.clock.advance(1);
    await stand.until(() => stand.ends.length === 1);

    expect(stand.failures).toHaveLength(1);
  });

  it("goes on with the next segment after a location has failed in a way of its own", async () => {
    await stand.durable("a", "b");
    const [a] = stand.segments.find("a.0" as SegmentId);
    const location = hooked(stand.bytes.location, {
      beforeRead: () => {
        throw new Error("a bug");
      },
    });
    if (a !== undefined) stand.segments.put({ ...a, location });

    stand.openScrubber();
    await stand.until(() => stand.ends.length === 1, 100);

    expect(stand.failures).toHaveLength(1);
    expect(stand.segments.looked).toEqual(["a", "b"]);
  });

  it("closes at once when what it reads fails as it is closed", async () => {
    const [a] = await stand.durable("a");
    let scrubber: Scrubber | undefined;
    const closed: (Promise<void> | undefined)[] = [];
    const location = hooked(stand.bytes.location, {
      beforeRead: () => {
        closed.push(scrubber?.close());
        throw new Error("a bug");
      },
    });
    if (a !== undefined) stand.segments.put({ ...a, location });
    scrubber = stand.openScrubber();
    await stand.until(() => stand.failures.length === 1);

    await closed[0];

    expect(stand.clock.pendingTimers).toBe(0);
  });

  it.each(["at once", "while it pays", "between two rounds"])(
    "closes %s, twice if asked",
    async (when) => {
      await stand.durable("a");
      const scrubber = stand.openScrubber({
        bytesPerSecond: when === "while it pays" ? 1 : Infinity,
      });
      if (when !== "at once") await stand.until(() => stand.clock.pendingTimers === 1);

      await Promise.all([scrubber.close(), scrubber.close()]);

      expect(stand.clock.pendingTimers).toBe(0);
      await stand.clock.advance(10 * INTERVAL_MS);
      expect(stand.ends.filter(({ result }) => result === "ok")).toHaveLength(
        when === "between two rounds" ? 1 : 0,
      );
    },
  );
});
