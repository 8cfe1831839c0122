import { unlink } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { SegmentId } from "../../../src/kv/records.ts";
import type { CondemnRequest } from "../../../src/kv/space.ts";
import { Scrubber } from "../../../src/kv/verify/scrubber.ts";
import type {
  ScrubbedSegments,
  ScrubberOptions,
  ScrubEnd,
  ScrubRound,
} from "../../../src/kv/verify/scrubber.ts";
import type { StoredSegment } from "../../../src/kv/verify/segment-verifier.ts";
import { failingFs } from "../../support/failing-fs.ts";
import { settle } from "../../support/fake-clock.ts";
import { hooked, Stand } from "./stand.ts";

const INTERVAL_MS = 60_000;
const SEGMENT_BYTES = 65_536;

/** Durable segments in memory, in order of their ids. */
class StoredSegments implements ScrubbedSegments {
  readonly looked: string[] = [];
  readonly condemned: SegmentId[] = [];
  kept: SegmentId | undefined;
  failure: Error | undefined;
  #stored: StoredSegment[] = [];

  put(stored: StoredSegment): void {
    this.#stored = [...this.#stored.filter((other) => idOf(other) !== idOf(stored)), stored];
    this.#stored.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  }

  drop(id: SegmentId): void {
    this.#stored = this.#stored.filter((other) => idOf(other) !== id);
  }

  next(after: SegmentId | undefined): StoredSegment | undefined {
    if (this.failure !== undefined) throw this.failure;
    const next = this.#stored.find((stored) => after === undefined || idOf(stored) > after);
    if (next !== undefined) this.looked.push(next.segment.turn);
    return next;
  }

  find(id: SegmentId): StoredSegment | undefined {
    return this.#stored.find((stored) => idOf(stored) === id);
  }

  condemn({ segment: id }: CondemnRequest): Promise<boolean> {
    const isThere = this.find(id) !== undefined;
    if (isThere) this.condemned.push(id);
    this.drop(id);
    return Promise.resolve(isThere);
  }

  position(): SegmentId | undefined {
    return this.kept;
  }

  keepPosition(id: SegmentId | undefined): void {
    this.kept = id;
  }
}

function idOf({ segment }: StoredSegment): SegmentId {
  return segment.id;
}

let stand: Stand;
let segments: StoredSegments;
let ends: ScrubEnd[];
let rounds: ScrubRound[];
let failures: unknown[];
let notSoon: number;
const opened: Scrubber[] = [];

beforeEach(async () => {
  stand = await Stand.open();
  segments = new StoredSegments();
  [ends, rounds, failures, notSoon] = [[], [], [], 0];
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((scrubber) => scrubber.close()));
  await stand.close();
});

function openScrubber(options: Partial<ScrubberOptions> = {}): Scrubber {
  const scrubber = new Scrubber({
    clock: stand.clock,
    crc32,
    segments,
    observer: {
      scrubbed: (end) => ends.push(end),
      roundEnded: (round) => rounds.push(round),
      notSoon: () => notSoon++,
      failed: (reason) => failures.push(reason),
    },
    scrubIntervalMs: INTERVAL_MS,
    bytesPerSecond: Infinity,
    soonLimit: 10,
    retryMs: 1_000,
    ...options,
  });
  opened.push(scrubber);
  return scrubber;
}

async function durable(...names: string[]): Promise<StoredSegment[]> {
  const all = [];
  for (const name of names) all.push(await stand.durable({ name, tokens: 32 }));
  for (const stored of all) segments.put(stored);
  return all;
}

/** Lets it work until the claim holds, moving no time but what it waits for to pay its bytes. */
async function until(claim: () => boolean, stepMs = 0): Promise<void> {
  const deadlineMs = performance.now() + 4_000;
  while (!claim()) {
    if (performance.now() > deadlineMs) throw new Error(`never came true: ${claim.toString()}`);
    await (stepMs > 0 && stand.clock.pendingTimers > 0 ? stand.clock.advance(stepMs) : settle());
  }
}

describe("the scrubber", () => {
  it("reads every segment in each round, and begins the next one an interval after the last began", async () => {
    await durable("a", "b", "c");
    openScrubber();
    await until(() => rounds.length === 1);
    expect(segments.looked).toEqual(["a", "b", "c"]);
    expect(rounds).toMatchObject([{ segments: 3, isLate: false }]);

    await stand.clock.advance(INTERVAL_MS - 2);
    expect(segments.looked).toHaveLength(3);
    await stand.clock.advance(2);
    await until(() => rounds.length === 2);

    expect(segments.looked).toEqual(["a", "b", "c", "a", "b", "c"]);
    expect(ends.map(({ result }) => result)).toEqual(Array.from({ length: 6 }, () => "ok"));
  });

  it("condemns what a bit was flipped in, or whose file is gone, and nothing else", async () => {
    const [flipped, , gone] = await durable("a", "b", "c");
    await stand.flipBit(12_345, "a");
    await unlink(stand.path("c"));

    openScrubber();
    await until(() => rounds.length === 1);

    expect(ends.map(({ result }) => result)).toEqual(["crc", "ok", "missing"]);
    expect(segments.condemned).toEqual([flipped?.segment.id, gone?.segment.id]);
  });

  it("condemns nothing that it cannot read", async () => {
    const [stored] = await durable("a");
    const fs = failingFs();
    const location = await stand.reopened({ fs });
    fs.restart({ at: 3, mode: "crash" });
    if (stored !== undefined) segments.put({ ...stored, location });

    openScrubber();
    await until(() => rounds.length === 1);
    await location.close();

    expect(ends).toMatchObject([{ result: "io" }]);
    expect(segments.condemned).toEqual([]);
  });

  it("condemns nothing whose bytes moved or went while it read them", async () => {
    const [moved, dropped] = await durable("a", "b");
    if (moved === undefined || dropped === undefined) throw new Error("not made");
    const elsewhere = {
      ...moved.segment,
      file: { ...moved.segment.file, name: dropped.segment.file.name },
    };
    const location = hooked(stand.location, {
      beforeRead: (read) => {
        if (read === 1) segments.put({ ...moved, segment: elsewhere });
        if (read === 2) segments.drop(idOf(dropped));
      },
    });
    for (const stored of [moved, dropped]) segments.put({ ...stored, location });
    await stand.flipBit(1, "a");
    await stand.flipBit(1, "b");

    openScrubber();
    await until(() => rounds.length === 1);

    expect(ends.map(({ result }) => result)).toEqual(["gone", "gone"]);
    expect(segments.condemned).toEqual([]);
  });

  it("reads no faster than it may, and says when a round took longer than the interval", async () => {
    await durable("a", "b", "c", "d");
    openScrubber({ bytesPerSecond: 2 * SEGMENT_BYTES, scrubIntervalMs: 2_000 });

    const startMs = stand.clock.now();
    await until(() => rounds.length === 1, 50);

    // Opening costs as much as reading here, so 4 x 2 x 65,536 bytes are 4 s, less what the last two cost.
    expect(stand.clock.now() - startMs).toBeGreaterThanOrEqual(3_000);
    expect(stand.clock.now() - startMs).toBeLessThanOrEqual(4_000);
    expect(rounds).toMatchObject([{ segments: 4, isLate: true }]);
  });

  it("goes on where another process stopped, and begins at the start right after", async () => {
    const [, b] = await durable("a", "b", "c");
    segments.kept = b?.segment.id;

    openScrubber();
    await until(() => rounds.length === 2);

    expect(segments.looked).toEqual(["c", "a", "b", "c"]);
    expect(segments.kept).toBeUndefined();
  });

  it("goes on after a segment that has gone since it was the last", async () => {
    const [, b] = await durable("a", "b", "c");
    segments.kept = b?.segment.id;
    segments.drop(b?.segment.id as SegmentId);

    openScrubber();
    await until(() => rounds.length === 1);

    expect(segments.looked[0]).toBe("c");
    expect(rounds).toMatchObject([{ segments: 1 }]);
  });

  it("keeps its position after each segment, and none after a round", async () => {
    const [a] = await durable("a", "b");
    let scrubber: Scrubber | undefined;
    const location = hooked(stand.location, {
      beforeRead: (read) => {
        if (read === 2) void scrubber?.close();
      },
    });
    for (const id of ["a", "b"]) {
      const stored = segments.find(`${id}.0` as SegmentId);
      if (stored !== undefined) segments.put({ ...stored, location });
    }
    scrubber = openScrubber();
    await until(() => ends.length === 2);
    await scrubber.close();

    expect(ends.map(({ result }) => result)).toEqual(["ok", "closed"]);
    expect(segments.kept).toBe(a?.segment.id);
  });
});

describe("segments to be read soon", () => {
  it("go before the rest of the round, in their order, once each", async () => {
    const [, , c, d] = await durable("a", "b", "c", "d");
    const order: string[] = [];
    for (const name of ["a", "b", "c", "d"]) {
      const stored = segments.find(`${name}.0` as SegmentId);
      const location = hooked(stand.location, { beforeRead: () => void order.push(name) });
      if (stored !== undefined) segments.put({ ...stored, location });
    }
    const soon = [d, c, d].flatMap((stored) => (stored === undefined ? [] : [idOf(stored)]));

    openScrubber().scrubSoon(soon);
    await until(() => rounds.length === 1);

    expect(order).toEqual(["d", "c", "a", "b", "c", "d"]);
  });

  it("keep no round from its end, though there is always another", async () => {
    const [again] = await durable("a", "b", "c", "d");
    const scrubber = openScrubber();
    await until(() => {
      scrubber.scrubSoon([idOf(again as StoredSegment)]);
      return rounds.length > 0;
    });
    expect(rounds).toMatchObject([{ segments: 4 }]);
    expect(ends.length).toBeGreaterThan(2 * 4);
  });

  it("are read between two rounds too", async () => {
    const [a] = await durable("a");
    const scrubber = openScrubber();
    await until(() => rounds.length === 1 && stand.clock.pendingTimers === 1);

    scrubber.scrubSoon([a?.segment.id as SegmentId]);
    await until(() => ends.length === 2);

    expect(rounds).toHaveLength(1);
  });

  it("are no more than the limit; what is left out is read in its turn", async () => {
    const all = await durable("a", "b", "c");

    openScrubber({ soonLimit: 2 }).scrubSoon(all.map(idOf));
    await until(() => rounds.length === 1);

    expect(notSoon).toBe(1);
    expect(ends).toHaveLength(5);
  });

  it("may be gone by then", async () => {
    openScrubber().scrubSoon(["gone.0" as SegmentId]);
    await until(() => rounds.length === 1);

    expect(ends).toEqual([]);
  });
});

describe("the scrubber's end and its failures", () => {
  it("goes on after the store of segments has failed, and waits before", async () => {
    await durable("a");
    segments.failure = new Error("no catalog");
    openScrubber();
    await until(() => failures.length === 1 && stand.clock.pendingTimers === 1);
    segments.failure = undefined;
    await stand.clock.advance(999);
    expect(ends).toEqual([]);

    await stand.clock.advance(1);
    await until(() => ends.length === 1);

    expect(failures).toHaveLength(1);
  });

  it("goes on with the next segment after a location has failed in a way of its own", async () => {
    await durable("a", "b");
    const a = segments.find("a.0" as SegmentId);
    const location = hooked(stand.location, {
      beforeRead: () => {
        throw new Error("a bug");
      },
    });
    if (a !== undefined) segments.put({ ...a, location });

    openScrubber();
    await until(() => ends.length === 1, 100);

    expect(failures).toHaveLength(1);
    expect(segments.looked).toEqual(["a", "b"]);
  });

  it("closes at once when what it reads fails as it is closed", async () => {
    const [a] = await durable("a");
    let scrubber: Scrubber | undefined;
    const closed: (Promise<void> | undefined)[] = [];
    const location = hooked(stand.location, {
      beforeRead: () => {
        closed.push(scrubber?.close());
        throw new Error("a bug");
      },
    });
    if (a !== undefined) segments.put({ ...a, location });
    scrubber = openScrubber();
    await until(() => failures.length === 1);

    await closed[0];

    expect(stand.clock.pendingTimers).toBe(0);
  });

  it.each(["at once", "while it pays", "between two rounds"])(
    "closes %s, twice if asked",
    async (when) => {
      await durable("a");
      const scrubber = openScrubber({ bytesPerSecond: when === "while it pays" ? 1 : Infinity });
      if (when !== "at once") await until(() => stand.clock.pendingTimers === 1);

      await Promise.all([scrubber.close(), scrubber.close()]);

      expect(stand.clock.pendingTimers).toBe(0);
      await stand.clock.advance(10 * INTERVAL_MS);
      expect(ends.filter(({ result }) => result === "ok")).toHaveLength(
        when === "between two rounds" ? 1 : 0,
      );
    },
  );
});
