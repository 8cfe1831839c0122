import { unlink } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { SegmentId } from "../../../src/kv/records.ts";
import type { Scrubber } from "../../../src/kv/verify/scrubber.ts";
import { failingFs } from "../../support/failing-fs.ts";
import { idOf, INTERVAL_MS, ScrubStand } from "./scrub-stand.ts";
import { hooked } from "./stand.ts";

const SEGMENT_BYTES = 65_536;

let stand: ScrubStand;
beforeEach(async () => {
  stand = await ScrubStand.open();
});
afterEach(() => stand.close());

describe("the scrubber", () => {
  it("reads every segment in each round, and begins the next one an interval after the last began", async () => {
    await stand.durable("a", "b", "c");
    stand.openScrubber();
    await stand.until(() => stand.rounds.length === 1);
    expect(stand.segments.looked).toEqual(["a", "b", "c"]);
    expect(stand.rounds).toMatchObject([{ segments: 3, isLate: false }]);

    await stand.clock.advance(INTERVAL_MS - 2);
    expect(stand.segments.looked).toHaveLength(3);
    await stand.clock.advance(2);
    await stand.until(() => stand.rounds.length === 2);

    expect(stand.segments.looked).toEqual(["a", "b", "c", "a", "b", "c"]);
    expect(stand.ends.map(({ result }) => result)).toEqual(Array.from({ length: 6 }, () => "ok"));
  });

  it("condemns what a bit was flipped in, or whose file is gone, and nothing else", async () => {
    const [flipped, , gone] = await stand.durable("a", "b", "c");
    await stand.bytes.flipBit(12_345, "a");
    await unlink(stand.bytes.path("c"));

    stand.openScrubber();
    await stand.until(() => stand.rounds.length === 1);

    expect(stand.ends.map(({ result }) => result)).toEqual(["crc", "ok", "missing"]);
    expect(stand.segments.condemned).toEqual([flipped?.segment.id, gone?.segment.id]);
  });

  it("condemns nothing that it cannot read", async () => {
    const [stored] = await stand.durable("a");
    const fs = failingFs();
    const location = await stand.bytes.reopened({ fs });
    fs.restart({ at: 3, mode: "crash" });
    if (stored !== undefined) stand.segments.put({ ...stored, location });

    stand.openScrubber();
    await stand.until(() => stand.rounds.length === 1);
    await location.close();

    expect(stand.ends).toMatchObject([{ result: "io" }]);
    expect(stand.segments.condemned).toEqual([]);
  });

  it("condemns nothing whose bytes moved or went while it read them", async () => {
    const [moved, dropped] = await stand.durable("a", "b");
    if (moved === undefined || dropped === undefined) throw new Error("not made");
    const elsewhere = {
      ...moved.segment,
      file: { ...moved.segment.file, name: dropped.segment.file.name },
    };
    const location = hooked(stand.bytes.location, {
      beforeRead: (read) => {
        if (read === 1) stand.segments.put({ ...moved, segment: elsewhere });
        if (read === 2) stand.segments.drop(idOf(dropped));
      },
    });
    for (const stored of [moved, dropped]) stand.segments.put({ ...stored, location });
    await stand.bytes.flipBit(1, "a");
    await stand.bytes.flipBit(1, "b");

    stand.openScrubber();
    await stand.until(() => stand.rounds.length === 1);

    expect(stand.ends.map(({ result }) => result)).toEqual(["gone", "gone"]);
    expect(stand.segments.condemned).toEqual([]);
  });

  it("reads no faster than it may, and says when a round took longer than the interval", async () => {
    await stand.durable("a", "b", "c", "d");
    stand.openScrubber({ bytesPerSecond: 2 * SEGMENT_BYTES, scrubIntervalMs: 2_000 });

    const startMs = stand.clock.now();
    await stand.until(() => stand.rounds.length === 1, 50);

    // Opening costs as much as reading here, so 4 x 2 x 65,536 bytes are 4 s, less what the last two cost.
    expect(stand.clock.now() - startMs).toBeGreaterThanOrEqual(3_000);
    expect(stand.clock.now() - startMs).toBeLessThanOrEqual(4_000);
    expect(stand.rounds).toMatchObject([{ segments: 4, isLate: true }]);
  });

  it("goes on where another process stopped, and begins at the start right after", async () => {
    const [, b] = await stand.durable("a", "b", "c");
    stand.segments.kept = b?.segment.id;

    stand.openScrubber();
    await stand.until(() => stand.rounds.length === 2);

    expect(stand.segments.looked).toEqual(["c", "a", "b", "c"]);
    expect(stand.segments.kept).toBeUndefined();
  });

  it("goes on after a segment that has gone since it was the last", async () => {
    const [, b] = await stand.durable("a", "b", "c");
    stand.segments.kept = b?.segment.id;
    stand.segments.drop(b?.segment.id as SegmentId);

    stand.openScrubber();
    await stand.until(() => stand.rounds.length === 1);

    expect(stand.segments.looked[0]).toBe("c");
    expect(stand.rounds).toMatchObject([{ segments: 1 }]);
  });

  it("keeps its position after each segment, and none after a round", async () => {
    const [a] = await stand.durable("a", "b");
    let scrubber: Scrubber | undefined;
    const location = hooked(stand.bytes.location, {
      beforeRead: (read) => {
        if (read === 2) void scrubber?.close();
      },
    });
    for (const id of ["a", "b"]) {
      const [stored] = stand.segments.find(`${id}.0` as SegmentId);
      if (stored !== undefined) stand.segments.put({ ...stored, location });
    }
    scrubber = stand.openScrubber();
    await stand.until(() => stand.ends.length === 2);
    await scrubber.close();

    expect(stand.ends.map(({ result }) => result)).toEqual(["ok", "closed"]);
    expect(stand.segments.kept).toBe(a?.segment.id);
  });
});
