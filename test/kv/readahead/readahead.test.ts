import { describe, expect, it } from "vitest";

import { settle } from "../../support/fake-clock.ts";
import { CopyStand, segmentAt } from "./copy-stand.ts";

const MEMORY = { id: "memory", tier: "memory" } as const;
const DISK = { id: "disk", tier: "disk" } as const;
const REMOTE = { id: "remote", tier: "remote" } as const;
const ARCHIVE = { id: "archive", tier: "remote", engines: false } as const;

describe("readahead", () => {
  it("makes one copy of a segment, whoever else wants it meanwhile", async () => {
    const stand = new CopyStand([MEMORY, DISK]);
    const segments = [segmentAt("s", ["disk"])];
    const errands = await Promise.all([stand.bring(segments), stand.bring(segments)]);
    const flights = errands.flatMap(({ sightings }) => sightings.map(({ flight }) => flight));
    expect(flights[0]).toBeDefined();
    expect(flights[1]).toBe(flights[0]);
    await stand.clock.advance(10);
    expect(stand.seen).toEqual(["copied 1000 from disk to memory"]);
  });

  it("makes another one for who does not reach where the first goes", async () => {
    const stand = new CopyStand([MEMORY, { ...MEMORY, id: "elsewhere" }, DISK]);
    const segments = [segmentAt("s", ["disk"])];
    await stand.bring(segments, new Set(["memory", "disk"]));
    await stand.bring(segments, new Set(["elsewhere", "disk"]));
    expect(stand.running).toBe(2);
    await stand.clock.advance(10);
    expect(stand.seen).toHaveLength(2);
  });

  it("copies no more than so many at once, in the order they were asked for", async () => {
    const stand = new CopyStand([MEMORY, DISK], { copiesAtOnce: 2 });
    const segments = ["a", "b", "c", "d", "e"].map((id, at) =>
      segmentAt(id, ["disk"], { bytes: 1_001 + at }),
    );
    await stand.bring(segments);
    await stand.clock.advance(1_000);
    expect(stand.most).toBe(2);
    expect(stand.seen.map((line) => line.split(" ")[1])).toEqual([
      "1001",
      "1002",
      "1003",
      "1004",
      "1005",
    ]);
  });

  it("stays within its bandwidth, all copies together", async () => {
    const stand = new CopyStand([MEMORY, DISK], { bytesPerSecond: 10_000 });
    stand.chunkMs = 0;
    const segments = ["a", "b", "c", "d"].map((id) => segmentAt(id, ["disk"], { bytes: 5_000 }));
    await stand.bring(segments);
    await stand.clock.advance(1_900);
    expect(stand.seen).not.toHaveLength(4);
    await stand.clock.advance(100);
    expect(stand.seen).toHaveLength(4);
  });

  it("cancels what nobody waits for any more, also what has not begun, and keeps what somebody does", async () => {
    const stand = new CopyStand([MEMORY, DISK], { copiesAtOnce: 1 });
    const [a, b, c] = ["a", "b", "c"].map((id) => segmentAt(id, ["disk"], { bytes: 5_000 }));
    if (a === undefined || b === undefined || c === undefined) throw new Error("three");
    const leaving = await stand.bring([a, b, c]);
    await stand.bring([b]);
    await stand.clock.advance(25);
    leaving.leave();
    leaving.leave();
    await stand.clock.advance(1_000);
    expect(stand.seen).toEqual([
      "cancelled 0 from disk to memory",
      "cancelled 3000 from disk to memory",
      "copied 5000 from disk to memory",
    ]);
  });

  it("goes on with what was left to go on, whoever leaves afterwards", async () => {
    const stand = new CopyStand([MEMORY, DISK]);
    const segments = [segmentAt("s", ["disk"], { bytes: 3_000 })];
    const first = await stand.bring(segments);
    const second = await stand.bring(segments);
    first.keep();
    second.leave();
    await stand.clock.advance(30);
    expect(stand.seen).toEqual(["copied 3000 from disk to memory"]);
  });

  it("begins anew what was cancelled and is wanted again", async () => {
    const stand = new CopyStand([MEMORY, DISK]);
    const segments = [segmentAt("s", ["disk"], { bytes: 3_000 })];
    const first = await stand.bring(segments);
    first.leave();
    const second = await stand.bring(segments);
    expect(second.sightings[0]?.flight).not.toBe(first.sightings[0]?.flight);
    await stand.clock.advance(100);
    expect(stand.seen).toContain("copied 3000 from disk to memory");
  });

  it("brings nothing where nothing in reach is faster", async () => {
    const stand = new CopyStand([MEMORY, DISK, REMOTE]);
    const near = segmentAt("near", ["remote", "memory"]);
    const reached = segmentAt("reached", ["disk"]);
    const reach = new Set(["disk", "remote"]);
    const one = await stand.bring([near]);
    const other = await stand.bring([reached], reach);
    expect([...one.sightings, ...other.sightings]).toMatchObject([
      { reached: MEMORY, isNear: true, flight: undefined },
      { reached: DISK, isNear: true, flight: undefined },
    ]);
    expect(stand.seen).toEqual([]);
  });

  it("brings what is not reached at all to any place that is", async () => {
    const stand = new CopyStand([
      { ...DISK, id: "here" },
      { ...DISK, id: "there" },
    ]);
    const reach = new Set(["here"]);
    const segments = [segmentAt("s", ["there"])];
    const { sightings } = await stand.bring(segments, reach);
    expect(sightings[0]).toMatchObject({ reached: undefined, isNear: false });
    expect(sightings[0]?.flight?.to.profile.id).toBe("here");
  });

  it("reads from where no engine does, by the fastest copy that there is", async () => {
    const stand = new CopyStand([MEMORY, ARCHIVE, { ...DISK, engines: false }]);
    const segments = [segmentAt("s", ["archive", "disk"])];
    const { sightings } = await stand.bring(segments);
    expect(sightings[0]?.flight?.segment.file.location).toBe("disk");
    expect(sightings[0]?.flight?.way).toMatchObject({ from: { id: "disk" }, to: { id: "memory" } });
  });

  it("goes on to the next tier where the fastest has no room, and never to one that is slower", async () => {
    const stand = new CopyStand([{ ...MEMORY, room: 999 }, DISK, REMOTE]);
    const segments = [segmentAt("far", ["remote"]), segmentAt("closer", ["disk"])];
    const { sightings } = await stand.bring(segments);
    expect(sightings.map(({ flight }) => flight?.to.profile.id)).toEqual(["disk", undefined]);
  });

  it("leaves the headroom free, and asks for room that others can spare where there is none", async () => {
    const stand = new CopyStand([{ ...MEMORY, room: 3_000, headroomBytes: 500 }, DISK]);
    const segments = ["a", "b", "c"].map((id) => segmentAt(id, ["disk"]));
    const { sightings } = await stand.bring(segments);
    expect(sightings.map(({ flight }) => flight !== undefined)).toEqual([true, true, false]);
    expect(stand.seen).toEqual(["pressed memory reading 1000", "left no_room"]);
  });

  it("fills half of a place at most, however empty it is, and asks for the room of other copies then", async () => {
    const stand = new CopyStand([{ ...MEMORY, room: 5_999, storedBytes: 0 }, DISK]);
    for (const id of ["a", "b"]) {
      const { sightings } = await stand.bring([segmentAt(id, ["disk"])]);
      expect(sightings[0]?.flight).toBeDefined();
    }
    const { sightings } = await stand.bring([segmentAt("c", ["disk"])]);
    expect(sightings[0]).toMatchObject({ isNear: false, flight: undefined });
    expect(stand.seen).toEqual(["pressed memory reading 1000", "left no_room"]);
  });

  it("counts what waits for its turn where there is room", async () => {
    const stand = new CopyStand([{ ...MEMORY, room: 2_000 }, DISK], { copiesAtOnce: 1 });
    for (const id of ["a", "b", "c"]) {
      await stand.bring([segmentAt(id, ["disk"])]);
    }
    expect(stand.readahead.load).toEqual({ copies: 2, bytes: 2_000 });
  });

  it("brings nothing beyond its queue", async () => {
    const stand = new CopyStand([MEMORY, DISK], { queueLimit: 2 });
    const segments = ["a", "b", "c"].map((id) => segmentAt(id, ["disk"]));
    await stand.bring(segments);
    expect(stand.seen).toEqual(["left queue_full"]);
    expect(stand.readahead.load.copies).toBe(2);
  });

  it("cancels and waits for all of it when it is closed, and begins nothing more", async () => {
    const stand = new CopyStand([MEMORY, DISK], { copiesAtOnce: 1 });
    const segments = ["a", "b"].map((id) => segmentAt(id, ["disk"], { bytes: 2_000 }));
    await stand.bring(segments);
    let isClosed = false;
    void stand.readahead.close().then(() => (isClosed = true));
    await settle();
    expect(isClosed).toBe(false);
    await stand.clock.advance(10);
    expect(isClosed).toBe(true);
    expect(stand.running).toBe(0);
    await stand.bring(segments);
    expect(stand.running).toBe(0);
  });

  it("takes what is on its way already at no more than a look, however much that is", async () => {
    const stand = new CopyStand([MEMORY, ARCHIVE], { queueLimit: 10_000 });
    const segments = Array.from({ length: 10_000 }, (_, at) => segmentAt(`s${at}`, ["archive"]));
    await stand.bring(segments);
    const before = process.cpuUsage();
    const errand = await stand.bring(segments);
    expect(process.cpuUsage(before).user).toBeLessThan(500_000);
    expect(errand.sightings.every(({ flight }) => flight !== undefined)).toBe(true);
    expect(stand.readahead.load.copies).toBe(10_000);
  });

  it("makes copies that a turn waits for before those that nobody does", async () => {
    const stand = new CopyStand([MEMORY, ARCHIVE], { copiesAtOnce: 1 });
    const early = await stand.bring(["a", "b", "c"].map((id) => segmentAt(id, ["archive"])));
    early.keep();
    const awaited = segmentAt("awaited", ["archive"], { bytes: 2_000 });
    const errand = await stand.bring([awaited]);
    const flights = errand.sightings.flatMap(({ flight }) => flight ?? []);
    await stand.clock.advance(10);
    expect(stand.readahead.leftMs(flights)).toEqual([{ ms: 20, isKnown: true }]);
    await stand.clock.advance(20);
    expect(stand.seen.slice(0, 2)).toEqual([
      "copied 1000 from remote to memory",
      "copied 2000 from remote to memory",
    ]);
  });

  it("leaves room in its queue for turns, whatever is asked for ahead of them", async () => {
    const stand = new CopyStand([MEMORY, ARCHIVE], { queueLimit: 4 });
    const many = Array.from({ length: 10 }, (_, at) => segmentAt(`s${at}`, ["archive"]));
    const ahead = await stand.readahead.bring({
      segments: many,
      reach: undefined,
      queueShare: 0.5,
    });
    ahead.keep();
    expect(stand.readahead.load.copies).toBe(2);
    await stand.bring([segmentAt("awaited", ["archive"])]);
    expect(stand.readahead.load.copies).toBe(3);
  });

  it("does without a place that does not say how much is free, and waits no longer for it", async () => {
    const hung = { id: "hung", tier: "memory", isHung: true } as const;
    const stand = new CopyStand([hung, DISK, ARCHIVE]);
    const bringing = stand.readahead.bring({
      segments: [segmentAt("s", ["archive"])],
      reach: undefined,
    });
    await stand.clock.advance(100);
    const { sightings } = await bringing;
    expect(sightings.map(({ flight }) => flight?.to.profile.id)).toEqual(["disk"]);
  });

  it("reads from and goes to no place that hangs, and has the others", async () => {
    const stand = new CopyStand([MEMORY, DISK, ARCHIVE, { ...ARCHIVE, id: "other" }]);
    const never = new Promise<never>(() => {});
    stand.hung.add("memory", never);
    stand.hung.add("archive", never);
    const segments = [segmentAt("lost", ["archive"]), segmentAt("two", ["archive", "other"])];
    const { sightings } = await stand.bring(segments);
    expect(sightings.map(({ flight }) => flight?.way)).toMatchObject([
      undefined,
      { from: { id: "other" }, to: { id: "disk" } },
    ]);
  });

  it("asks for no room where nobody knows how much there is", async () => {
    const hung = { id: "hung", tier: "memory", isHung: true } as const;
    const stand = new CopyStand([hung, { ...DISK, room: 10 }, ARCHIVE]);
    const bringing = stand.bring([segmentAt("s", ["archive"])]);
    await stand.clock.advance(100);
    await bringing;
    expect(stand.seen).toEqual(["pressed disk reading 1000", "left no_room"]);
  });
});

describe("what copies take", () => {
  it("is unknown before the first, but never less than the bandwidth allows", async () => {
    const stand = new CopyStand([MEMORY, DISK], { bytesPerSecond: 1_000 });
    const segments = [segmentAt("s", ["disk"], { bytes: 3_000 })];
    const { sightings } = await stand.bring(segments);
    const flights = sightings.flatMap(({ flight }) => flight ?? []);
    expect(stand.readahead.leftMs(flights)).toEqual([{ ms: 3_000, isKnown: false }]);
  });

  it("is what those of late took, with all that goes before", async () => {
    const stand = new CopyStand([MEMORY, DISK], { copiesAtOnce: 1 });
    await bringAll(stand, "first");
    const segments = ["a", "b"].map((id) => segmentAt(id, ["disk"], { bytes: 4_000 }));
    const { sightings } = await stand.bring(segments);
    const flights = sightings.flatMap(({ flight }) => flight ?? []);
    const left = () => stand.readahead.leftMs(flights).map(({ ms }) => ms);
    expect(left()).toEqual([40, 80]);
    await stand.clock.advance(30);
    expect(left()).toEqual([10, 50]);
    await stand.clock.advance(50);
    expect(left()).toEqual([0, 0]);
  });

  it("is what those from the same place took, whatever others of its tier do", async () => {
    const slow = { ...ARCHIVE, id: "slow" };
    const stand = new CopyStand([MEMORY, ARCHIVE, slow]);
    stand.chunkMs = 100;
    await stand.bring([segmentAt("first", ["slow"], { bytes: 4_000 })]);
    await stand.clock.advance(400);
    const leftMs = async (id: string, from: string) => {
      const { sightings } = await stand.bring([segmentAt(id, [from], { bytes: 4_000 })]);
      return stand.readahead.leftMs(sightings.flatMap(({ flight }) => flight ?? []));
    };
    expect(await leftMs("second", "archive")).toEqual([{ ms: 400, isKnown: true }]);
    stand.chunkMs = 10;
    await stand.clock.advance(400);
    await stand.bring([segmentAt("third", ["archive"], { bytes: 400_000 })]);
    await stand.clock.advance(4_000);
    expect((await leftMs("fourth", "archive"))[0]?.ms).toBeLessThan(60);
    await stand.clock.advance(60);
    expect((await leftMs("fifth", "slow"))[0]?.ms).toBe(400);
  });

  it("grows where a copy is later than expected, by how far it has come", async () => {
    const stand = new CopyStand([MEMORY, DISK]);
    await bringAll(stand, "first");
    stand.chunkMs = 100;
    const segments = [segmentAt("slow", ["disk"], { bytes: 4_000 })];
    const { sightings } = await stand.bring(segments);
    const flights = sightings.flatMap(({ flight }) => flight ?? []);
    await stand.clock.advance(60);
    expect(stand.readahead.leftMs(flights)).toEqual([{ ms: 60, isKnown: true }]);
    await stand.clock.advance(140);
    expect(stand.readahead.leftMs(flights)).toEqual([{ ms: 200, isKnown: true }]);
  });

  async function bringAll(stand: CopyStand, id: string): Promise<void> {
    const segments = [segmentAt(id, ["disk"], { bytes: 4_000 })];
    await stand.bring(segments);
    await stand.clock.advance(40);
    expect(stand.readahead.load.copies).toBe(0);
  }
});
