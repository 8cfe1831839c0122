import { truncate } from "node:fs/promises";
import { crc32 } from "node:zlib";
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

describe("segments of one file that are to be read soon", () => {
  const BYTES = 384 * 1024;
  const AT = [0, BYTES, 3 * BYTES];

  /** Together more than a chunk, and the third not right behind the second. */
  async function inOneFile(): Promise<{ ids: SegmentId[]; reads: () => number }> {
    const name = "together";
    const { segment, bytes } = await stand.bytes.durable({
      name,
      tokens: (BYTES / 65_536) * 32 * 4,
    });
    let reads = 0;
    const location = hooked(stand.bytes.location, { beforeRead: () => void (reads += 1) });
    const stored = AT.map((at, index) => {
      const crc = crc32(bytes.subarray(at, at + BYTES));
      const kvStart = segment.kvStart + at;
      return {
        segment: { ...segment, id: `${name}.${index}` as SegmentId, kvStart, bytes: BYTES, crc },
        location,
      };
    });
    for (const each of stored) stand.segments.put(each);
    stand.segments.kept = stored.at(-1)?.segment.id;
    return { ids: stored.map(idOf), reads: () => reads };
  }

  it("are read with one opening of it", async () => {
    const { ids, reads } = await inOneFile();
    stand.openScrubber().scrubSoon(ids);
    await stand.until(() => stand.rounds.length === 2);
    expect(reads()).toBe(1 + 3); // and one for each in the round
    expect(stand.ends.map(({ result }) => result)).toEqual(Array.from({ length: 6 }, () => "ok"));
  });

  it.each([0, 1, 2])(
    "are condemned without the others where a bit is wrong in number %i",
    async (index) => {
      const { ids } = await inOneFile();
      await stand.bytes.flipBit(8 * ((AT[index] ?? 0) + BYTES - 1), "together");
      stand.openScrubber().scrubSoon(ids);
      await stand.until(() => stand.ends.length >= 3);
      expect(stand.segments.condemned).toEqual([ids[index]]);
    },
  );

  it("are condemned alone where the file ends before them", async () => {
    const { ids } = await inOneFile();
    await truncate(stand.bytes.path("together"), 8_192 + 3 * BYTES);
    stand.openScrubber().scrubSoon(ids);
    await stand.until(() => stand.ends.length >= 3);
    expect(stand.ends.slice(0, 3).map(({ result }) => result)).toEqual(["ok", "ok", "truncated"]);
    expect(stand.segments.condemned).toEqual([ids[2]]);
  });
});
