import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import {
  COPIES_LIMIT,
  type FileRef,
  type Replica,
  type SegmentId,
  segmentId,
} from "../../../src/kv/records.ts";
import { booked, type Copied, copied } from "../../support/kv-copies.ts";
import { condemn, key, type KvDesk, QUARANTINE_MS, STAT } from "../../support/kv-desk.ts";

export function describeReplicas(opened: () => KvDesk): void {
  describe("replicas", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    /** Of the session "a": four tokens, alone in a file on the disk. */
    let segment: SegmentId;
    let first: FileRef;

    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a");
      await desk.create("b");
      const { turn, file } = await desk.store("a", "abcd");
      segment = segmentId(turn, 0);
      first = file;
    });

    const addTo = (location: string, changes: Partial<Copied> = {}): Promise<boolean> =>
      copied(desk, { segment, to: fileAt(location), ...changes });
    const drop = (file: FileRef) =>
      catalog.dropReplica({ segment, file, locations: desk.locations, nowMs: desk.nowMs });
    const files = async () => {
      const found = await catalog.segment(segment);
      return (
        found && [found.file, ...found.replicas].map(({ location, name }) => `${location}/${name}`)
      );
    };

    it("are found, listed and charged as the one segment that they are", async () => {
      const before = await catalog.segment(segment);
      const usage = await catalog.tenantUsage("t");
      expect(await addTo("other")).toBe(true);
      const replicas: Replica[] = [{ ...fileAt("other"), kvStart: 0 }];
      expect(await catalog.segment(segment)).toEqual({ ...before, replicas });
      expect((await desk.match("a", "abcd!")).segments).toEqual([{ ...before, replicas }]);
      expect(await catalog.segments(key("a"))).toHaveLength(1);
      expect(await catalog.tenantUsage("t")).toEqual(usage);
    });

    it("are unwritten until they are whole, so that no device is promised to two of them, or to one and a turn", async () => {
      const limits = { capacityBytes: 1_000, freeFloorBytes: 10 };
      const open = (name: string, freeBytes: number) => {
        const newFile = { ...fileAt("other"), name: name as ObjectName, limits, freeBytes };
        const { nowMs } = desk;
        return catalog.openCopy({ segment, newFile, nowMs, deadlineMs: nowMs + 100 });
      };
      expect(await open("one", 50)).toBe("opened");
      expect(await open("two", 89)).toBe("no_space");
      const newFile = { ...fileAt("other"), limits, freeBytes: 89 };
      const refused = { kind: "refused", reason: "no_space" };
      expect(await desk.reserve("b", { newFile })).toMatchObject(refused);
      expect(await open("two", 90)).toBe("opened");
      expect(await catalog.locationUsage("other")).toMatchObject({ unwrittenBytes: 80 });
      const made = { segment, to: { ...fileAt("other"), name: "one" as ObjectName }, stat: STAT };
      expect(await catalog.addReplica({ ...made, nowMs: desk.nowMs })).toBe(true);
      expect(await catalog.locationUsage("other")).toMatchObject({ unwrittenBytes: 40 });
      await catalog.unlinked([{ ...fileAt("other"), name: "two" as ObjectName }]);
      expect(await catalog.locationUsage("other")).toMatchObject({ unwrittenBytes: 0 });
    });

    it("are no room to come while they are made, and when one that is recorded is dropped its file is due as any other", async () => {
      await booked(desk, { segment, to: fileAt("other") });
      const inTheMaking = { bookedBytes: 40, idleBytes: 0 };
      expect(await catalog.locationUsage("other")).toMatchObject(inTheMaking);
      expect(await addTo("other", { booked: segment })).toBe(true);
      await drop(fileAt("other"));
      expect(await catalog.locationUsage("other")).toMatchObject({
        bookedBytes: 40,
        idleBytes: 40,
      });
      desk.nowMs += QUARANTINE_MS;
      expect((await desk.sweep()).unlinkable).toContainEqual(fileAt("other"));
    });

    it("are counted at their own location, where segments are counted at that of the first copy", async () => {
      await addTo("other");
      const { locations, segments } = await catalog.totals();
      const none = { replicas: 0, replicaBytes: 0 };
      expect(locations).toMatchObject([
        { location: "disk", referencedBytes: 40, ...none },
        { location: "other", bookedBytes: 40, referencedBytes: 40, replicas: 1, replicaBytes: 40 },
      ]);
      expect(segments).toMatchObject([{ location: "disk", segments: 1 }]);
      await drop(first);
      const after = await catalog.totals();
      expect(after.locations).toMatchObject([
        { location: "disk", referencedBytes: 0, ...none },
        { location: "other", referencedBytes: 40, ...none },
      ]);
      expect(after.segments).toMatchObject([{ location: "other", segments: 1 }]);
    });

    it("are added once at a location, not where the first copy is, and up to a limit", async () => {
      expect(await addTo("disk")).toBe(false);
      expect(await addTo("other")).toBe(true);
      expect(await addTo("other", { to: { location: "other", name: "c2" as ObjectName } })).toBe(
        false,
      );
      for (let made = 2; made < COPIES_LIMIT; made++) expect(await addTo(`l${made}`)).toBe(true);
      expect(await addTo("late")).toBe(false);
      expect((await catalog.segment(segment))?.replicas).toHaveLength(COPIES_LIMIT - 1);
    });

    it("are not added to what has gone, after their deadline, or into what was not booked for them", async () => {
      expect(await addTo("other", { afterMs: 100 })).toBe(false);
      expect(await addTo("tmpfs", { afterMs: 99 })).toBe(true);
      await desk.create("b");
      const longer = await desk.store("b", "12345");
      const into = { to: fileAt("dis"), booked: segmentId(longer.turn, 0) };
      expect(await addTo("dis", into)).toBe(false);
      await catalog.end(key("a"), desk.nowMs);
      expect(await addTo("l1", { booked: segmentId(longer.turn, 0) })).toBe(false);
    });

    it("that were booked and never recorded are given up after their deadline and the quarantine", async () => {
      await booked(desk, { segment, to: fileAt("other") });
      await pinned("a");
      desk.nowMs += 99 + QUARANTINE_MS;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toContainEqual(fileAt("other"));
    });

    it("are found where the first copy's location is not there, and are no new duplicates then", async () => {
      await addTo("other");
      desk.locations = new Set(["other"]);
      expect(await desk.match("a", "abcd!")).toMatchObject({
        tokens: 4,
        segments: [{ id: segment }],
      });
      const again = await desk.reserved("a");
      await desk.report(again, "abcd");
      expect(await desk.settle(again)).toEqual({ kind: "duplicate", of: segment });
      desk.locations = new Set(["tmpfs"]);
      expect(await desk.match("a", "abcd!")).toMatchObject({
        tokens: 0,
        limit: "location_unknown",
      });
    });

    it("are leased where they are read, by turns and by others", async () => {
      await addTo("other");
      desk.nowMs += 500;
      desk.reads = () => fileAt("other");
      const [byTurn, byReader] = [desk.nowMs + 700, desk.nowMs + 900];
      const leases = async () => [
        (await catalog.file(first))?.leasedUntilMs,
        (await catalog.file(fileAt("other")))?.leasedUntilMs,
      ];
      await desk.lease("a", [segment], byTurn);
      expect(await leases()).toEqual([0, byTurn]);
      const read = { segment, file: fileAt("other"), untilMs: byReader };
      expect(await catalog.leaseRead(read)).toMatchObject({
        file: fileAt("other"),
        replicas: [{ ...first, kvStart: 0 }],
      });
      expect(await leases()).toEqual([0, byReader]);
    });

    it("that are gone are no match any more, though the segment is there", async () => {
      await addTo("other");
      const next = { listed: [segment], tokenStart: 4 };
      const untilMs = desk.nowMs + 9;
      desk.reads = () => fileAt("tmpfs");
      expect(await desk.lease("a", [segment], untilMs)).toBe(false);
      expect(await catalog.leaseRead({ segment, file: fileAt("tmpfs"), untilMs })).toBeUndefined();
      expect(await desk.reserve("a", next)).toMatchObject({ reason: "stale_match" });
      desk.reads = () => fileAt("other");
      expect(await desk.lease("a", [segment], untilMs)).toBe(true);
      expect(await desk.reserve("a", next)).toMatchObject({ kind: "reserved" });
    });

    it("take the first copy's place when that is dropped, the oldest of them, and the last one stays", async () => {
      await addTo("other");
      await addTo("tmpfs");
      expect(await drop(first)).toBe("dropped");
      expect(await files()).toEqual(["other/copy", "tmpfs/copy"]);
      expect(await drop(first)).toBe("gone");
      expect(await drop(fileAt("tmpfs"))).toBe("dropped");
      expect(await drop(fileAt("other"))).toBe("last");
      expect(await files()).toEqual(["other/copy"]);
    });

    it("are not the last one while another lies where no location is now", async () => {
      await addTo("other");
      desk.locations = new Set(["disk"]);
      expect(await drop(first)).toBe("last");
      expect(await drop(fileAt("other"))).toBe("dropped");
    });

    it("stay for a quarantine after they were dropped, for whoever was told of them", async () => {
      await addTo("other");
      await pinned("a");
      desk.nowMs += 5_000;
      await drop(fileAt("other"));
      desk.nowMs += QUARANTINE_MS - 1;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toContainEqual(fileAt("other"));
    });

    it("are condemned one by one, and the segment goes with the last", async () => {
      await addTo("other");
      expect(await catalog.condemn({ segment, file: fileAt("tmpfs") })).toBe(false);
      expect(await condemn(catalog, segment)).toBe(true);
      expect(await files()).toEqual(["other/copy"]);
      expect(await catalog.file(first)).toMatchObject({ isSealed: true, referencedBytes: 0 });
      expect((await desk.match("a", "abcd!")).tokens).toBe(4);
      expect(await condemn(catalog, segment)).toBe(true);
      expect(await files()).toBeUndefined();
      expect((await desk.match("a", "abcd!")).tokens).toBe(0);
      await desk.sweep();
      expect(await catalog.tenantUsage("t")).toMatchObject({ bytes: 0 });
    });

    it("go with the last reference, all of them", async () => {
      await addTo("other");
      await catalog.end(key("a"), desk.nowMs);
      const { locations } = await catalog.totals();
      expect(locations).toMatchObject([
        { location: "disk", referencedBytes: 0, idleBytes: 40 },
        { location: "other", referencedBytes: 0, replicas: 0, replicaBytes: 0, idleBytes: 40 },
      ]);
    });

    it("stay where they are when the first copy is moved, and may be moved themselves", async () => {
      await addTo("other");
      const moved = { location: "disk", name: "moved" as ObjectName };
      expect(await copied(desk, { segment, to: moved, from: first })).toBe(true);
      expect(await files()).toEqual(["disk/moved", "other/copy"]);
      const again = { location: "other", name: "again" as ObjectName };
      expect(await copied(desk, { segment, to: again, from: fileAt("other") })).toBe(true);
      expect(await files()).toEqual(["disk/moved", "other/again"]);
      const fresh = { location: "other", name: "fresh" as ObjectName };
      expect(await copied(desk, { segment, to: fresh, from: moved })).toBe(false);
    });

    it("are read in the file that is asked for what is in it", async () => {
      await addTo("other");
      const [found] = await catalog.segmentsIn(fileAt("other"), 9);
      expect(found).toMatchObject({ id: segment, file: fileAt("other"), kvStart: 0 });
      expect(found?.replicas).toEqual([{ ...first, kvStart: 0 }]);
      expect(await catalog.segmentsIn(first, 9)).toMatchObject([{ id: segment, file: first }]);
    });

    async function pinned(name: string): Promise<void> {
      const quota = { bytes: 0, sessions: 0, pins: 1 };
      const untilMs = desk.nowMs + 3 * QUARANTINE_MS;
      const pin = { session: key(name), nowMs: desk.nowMs, quota, untilMs };
      expect(await catalog.pin(pin)).toBe("pinned");
    }
  });
}

function fileAt(location: string): FileRef {
  return { location, name: "copy" as ObjectName };
}
