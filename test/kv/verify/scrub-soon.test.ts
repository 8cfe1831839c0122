import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { SegmentId } from "../../../src/kv/records.ts";
import type { StoredSegment } from "../../../src/kv/verify/segment-verifier.ts";
import { idOf, ScrubStand } from "./scrub-stand.ts";
import { hooked } from "./stand.ts";

let stand: ScrubStand;
beforeEach(async () => {
  stand = await ScrubStand.open();
});
afterEach(() => stand.close());

describe("segments to be read soon", () => {
  it("go before the rest of the round, in their order, once each", async () => {
    const [, , c, d] = await stand.durable("a", "b", "c", "d");
    const order: string[] = [];
    for (const name of ["a", "b", "c", "d"]) {
      const [stored] = stand.segments.find(`${name}.0` as SegmentId);
      const location = hooked(stand.bytes.location, { beforeRead: () => void order.push(name) });
      if (stored !== undefined) stand.segments.put({ ...stored, location });
    }
    const soon = [d, c, d].flatMap((stored) => (stored === undefined ? [] : [idOf(stored)]));

    stand.openScrubber().scrubSoon(soon);
    await stand.until(() => stand.rounds.length === 1);

    expect(order).toEqual(["d", "c", "a", "b", "c", "d"]);
  });

  it("keep no round from its end, though there is always another", async () => {
    const [again] = await stand.durable("a", "b", "c", "d");
    const scrubber = stand.openScrubber();
    await stand.until(() => {
      scrubber.scrubSoon([idOf(again as StoredSegment)]);
      return stand.rounds.length > 0;
    });
    expect(stand.rounds).toMatchObject([{ segments: 4 }]);
    expect(stand.ends.length).toBeGreaterThan(2 * 4);
  });

  it("are read between two rounds too", async () => {
    const [a] = await stand.durable("a");
    const scrubber = stand.openScrubber();
    await stand.until(() => stand.rounds.length === 1 && stand.clock.pendingTimers === 1);

    scrubber.scrubSoon([a?.segment.id as SegmentId]);
    await stand.until(() => stand.ends.length === 2);

    expect(stand.rounds).toHaveLength(1);
  });

  it("are no more than the limit; what is left out is read in its turn", async () => {
    const all = await stand.durable("a", "b", "c");

    stand.openScrubber({ soonLimit: 2 }).scrubSoon(all.map(idOf));
    await stand.until(() => stand.rounds.length === 1);

    expect(stand.notSoon).toBe(1);
    expect(stand.ends).toHaveLength(5);
  });

  it("may be gone by then", async () => {
    stand.openScrubber().scrubSoon(["gone.0" as SegmentId]);
    await stand.until(() => stand.rounds.length === 1);

    expect(stand.ends).toEqual([]);
  });
});
