import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { OpenSnapshotRequest } from "../../../src/kv/snapshot-rules.ts";
import { key, type KvDesk, PLENTY, QUARANTINE_MS } from "../../support/kv-desk.ts";
import { chainOf, SNAPSHOT_GEOMETRY, snapshotTextOf } from "../../support/kv-texts.ts";
import { replicaOf } from "../../support/kv-copies.ts";
import {
  keepSnapshot,
  matchSnapshot,
  type NewSnapshot,
  openSnapshot,
  save,
} from "../../support/kv-snapshots.ts";

type Asked = readonly [asked: NewSnapshot, changes?: Partial<OpenSnapshotRequest>];

const OTHER_GEOMETRY = new Uint8Array(33).fill(10);

export function describeSnapshots(opened: () => KvDesk): void {
  describe("snapshots", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a");
    });

    /** Their lengths, of the least first; 0 of what is no snapshot. */
    async function textsOf(name: string): Promise<number[]> {
      const units = (await catalog.segments(key(name))).map(({ snapshot }) => snapshot?.units ?? 0);
      return units.toSorted((a, b) => a - b);
    }

    it("are listed, charged and booked as durable segments from token 0 in objects of their own", async () => {
      const { saved, outcome } = await openSnapshot(desk, { name: "a", text: "abcdef" });
      expect(outcome).toBe("opened");
      expect(await catalog.segments(key("a"))).toEqual([]);
      expect(await desk.bytes()).toBe(0);
      const booked = { bookedBytes: 80, referencedBytes: 0, idleBytes: 0 };
      expect(await catalog.locationUsage("disk")).toMatchObject(booked);
      expect(await keepSnapshot(desk, saved)).toBe("kept");
      expect(await catalog.segments(key("a"))).toEqual([
        {
          id: saved.segment,
          tenant: "t",
          turn: "save-1",
          state: "durable",
          retentionClass: "standard",
          geometry: expect.anything(),
          file: saved.file,
          replicas: [],
          tokenStart: 0,
          tokenLength: 8,
          kvStart: 0,
          bytes: 80,
          chain: expect.anything(),
          place: undefined,
          crc: 0xbeef,
          refs: 1,
          lastReadAtMs: 0,
          timesRead: 0,
          snapshot: expect.objectContaining({ units: 6 }),
        },
      ]);
      const [kept] = await catalog.segments(key("a"));
      expect(bytesOf(kept?.snapshot?.points)).toEqual(bytesOf(snapshotTextOf("abcdef").points));
      expect(bytesOf(kept?.chain?.end.grid)).toEqual(bytesOf(chainOf("abcdef", 0).end.grid));
      expect(bytesOf(kept?.geometry)).toEqual(bytesOf(SNAPSHOT_GEOMETRY));
      expect(await desk.bytes()).toBe(80);
      expect(await catalog.locationUsage("disk")).toMatchObject({ referencedBytes: 80 });
      expect(await catalog.file(saved.file)).toMatchObject({ isSealed: true, creator: "a" });
    });

    it("take the place of the session's older ones, whatever the older ones were of", async () => {
      await save(desk, { name: "a", text: "abcdef" });
      await save(desk, { name: "a", text: "abXXXX" });
      const last = await save(desk, { name: "a", text: "abcdefgh" });
      expect((await catalog.segments(key("a"))).map(({ id }) => id)).toEqual([last.segment]);
      expect(await catalog.session(key("a"))).toMatchObject({ segments: 1 });
      expect(await desk.bytes()).toBe(100);
    });

    it("take the place of the session's older ones of another geometry where the quota has no room for both", async () => {
      const quota = { ...PLENTY, bytes: 80 };
      await save(desk, { name: "a", text: "abcdef" }, { geometry: OTHER_GEOMETRY });
      const { saved, outcome } = await openSnapshot(desk, { name: "a", text: "abcdef" }, { quota });
      expect([outcome, await keepSnapshot(desk, saved, { quota })]).toEqual(["opened", "kept"]);
      expect((await catalog.segments(key("a"))).map(({ id }) => id)).toEqual([saved.segment]);
    });

    it("leave older ones of another geometry, and plain segments, listed", async () => {
      await desk.store("a", "abcd");
      await save(desk, { name: "a", text: "abcdef" }, { geometry: OTHER_GEOMETRY });
      await save(desk, { name: "a", text: "abcdef" });
      expect(await textsOf("a")).toEqual([0, 6, 6]);
    });

    it("leave older ones to a fork, and what a fork was given to it until its own goes on from that", async () => {
      const first = await save(desk, { name: "a", text: "abcdefgh" });
      await desk.fork("a", "b");
      await save(desk, { name: "a", text: "abcdefghij" });
      expect(await textsOf("a")).toEqual([10]);
      expect(await textsOf("b")).toEqual([8]);

      await save(desk, { name: "b", text: "abcdXXXXXXXX" });
      expect(await textsOf("b")).toEqual([8, 12]);
      await save(desk, { name: "b", text: "abcdefg" });
      expect(await textsOf("b")).toEqual([7, 8]);
      expect(await catalog.segment(first.segment)).toMatchObject({ refs: 1 });
      await save(desk, { name: "b", text: "abcdefghXX" });
      expect(await textsOf("b")).toEqual([10]);
      expect(await catalog.segment(first.segment)).toBeUndefined();
    });

    it("leave what was attached, of the same text's grid too, until they are as long as it", async () => {
      await desk.create("b");
      const given = await save(desk, { name: "b", text: "abcdefghij" });
      await desk.attach("a", [given.segment]);
      await save(desk, { name: "a", text: "abcd" });
      expect(await textsOf("a")).toEqual([4, 10]);
      await save(desk, { name: "a", text: "abcdefghi" });
      expect(await textsOf("a")).toEqual([9, 10]);
      const own = await save(desk, { name: "a", text: "abcdefghij" });
      expect((await catalog.segments(key("a"))).map(({ id }) => id)).toEqual([own.segment]);
      expect(await textsOf("b")).toEqual([10]);
    });

    it("are another tenant's where a session of the same id has attached them", async () => {
      await desk.create("other/a");
      const { segment } = await save(desk, { name: "a", text: "abcdefgh" });
      await desk.createPrefix("t/p", [segment], { to: ["other"] });
      await desk.attach("other/a", [segment]);
      await save(desk, { name: "other/a", text: "XXXX" });
      expect(await textsOf("other/a")).toEqual([4, 8]);
    });

    it("are the session's own in a copy as well", async () => {
      const { segment, file } = await save(desk, { name: "a", text: "abcdefgh" });
      await replicaOf(desk, segment, "other");
      await catalog.condemn({ segment, file });
      expect(await catalog.segment(segment)).toMatchObject({ file: { location: "other" } });
      await save(desk, { name: "a", text: "XXXX" });
      expect(await textsOf("a")).toEqual([4]);
    });

    it("are refused where there is no session, no name, no room or no quota", async () => {
      const of = { name: "a", text: "abcdef" };
      const outcomeOf = async (...[asked, changes]: Asked) =>
        (await openSnapshot(desk, asked, changes)).outcome;
      expect(await outcomeOf({ ...of, name: "none" })).toBe("no_session");
      const { file } = await save(desk, of);
      const limits = { capacityBytes: 160, freeFloorBytes: 50 };
      const newFile = { ...file, limits, freeBytes: 50 };
      expect(await outcomeOf(of, { newFile })).toBe("file_exists");
      const fresh = { ...newFile, name: "fresh" as typeof file.name };
      expect(await outcomeOf(of, { newFile: fresh, bytes: 81 })).toBe("no_space");
      expect(await outcomeOf(of, { newFile: { ...fresh, freeBytes: 49 } })).toBe("no_space");
      expect(await catalog.file(fresh)).toBeUndefined();
      expect(await outcomeOf(of, { newFile: fresh })).toBe("opened");
      desk.nowMs += 10_000;
      expect(await outcomeOf(of)).toBe("no_session");
    });

    it("count against the quota without those that go with them", async () => {
      const of = { name: "a", text: "abcdef" };
      const quota = { ...PLENTY, bytes: 79 };
      const open = async (bytes: number) => {
        const limited = { quota: { ...PLENTY, bytes } };
        return (await openSnapshot(desk, of, limited)).outcome;
      };
      expect(await open(79)).toBe("quota_bytes");
      await save(desk, of);
      expect(await open(79)).toBe("quota_bytes");
      expect(await open(80)).toBe("opened");
      const { saved } = await openSnapshot(desk, of);
      expect(await keepSnapshot(desk, saved, { quota })).toBe("quota_bytes");
      expect(await desk.bytes()).toBe(80);
      expect(await keepSnapshot(desk, saved, { quota: { ...quota, bytes: 80 } })).toBe("kept");
      await desk.fork("a", "b");
      expect(await open(159)).toBe("quota_bytes");
      expect(await open(160)).toBe("opened");
    });

    it("are not kept once their time is over, their session has gone, or they are of another size", async () => {
      const of = { name: "a", text: "abcdef" };
      const { saved } = await openSnapshot(desk, of);
      expect(await keepSnapshot(desk, { ...saved, bytes: 79 })).toBe("expired");
      expect(await keepSnapshot(desk, { ...saved, name: "none" })).toBe("no_session");
      desk.nowMs += 1_000;
      expect(await keepSnapshot(desk, saved)).toBe("expired");
      desk.nowMs -= 1;
      expect(await catalog.segments(key("a"))).toEqual([]);
      expect(await keepSnapshot(desk, saved)).toBe("kept");
      const again = { ...saved, segment: (await openSnapshot(desk, of)).saved.segment };
      expect(await keepSnapshot(desk, again)).toBe("expired");
      await expect(keepSnapshot(desk, saved)).rejects.toThrow("is there already");
      const empty = { ...again, tokens: 0 };
      await expect(keepSnapshot(desk, empty)).rejects.toThrow("tokens 0 must be 1 or more");
    });

    it("that are not kept go after their deadline and quarantine, as somebody may still be late", async () => {
      const { saved } = await openSnapshot(desk, { name: "a", text: "abcdef" });
      desk.nowMs += QUARANTINE_MS + 999;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([saved.file]);
    });

    it("that nobody lists any more go as soon as nobody reads them", async () => {
      const first = await save(desk, { name: "a", text: "abcdef" });
      const untilMs = desk.nowMs + 500;
      expect(await desk.lease("a", [first.segment], untilMs)).toBe(true);
      const second = await save(desk, { name: "a", text: "abcdefgh" });
      expect((await desk.sweep()).unlinkable).toEqual([]);
      const last = await save(desk, { name: "a", text: "abcdefghij" });
      expect((await desk.sweep()).unlinkable).toEqual([second.file]);
      await catalog.unlinked([second.file]);
      desk.nowMs = untilMs - 1;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([first.file]);
      await catalog.unlinked([first.file]);
      expect(await catalog.file(last.file)).toBeDefined();
      expect(await catalog.locationUsage("disk")).toMatchObject({ bookedBytes: 120, idleBytes: 0 });
    });

    it("that go are counted with all other files that a pass of the sweep names", async () => {
      await save(desk, { name: "a", text: "abcdef" });
      await desk.store("a", "abcd");
      await catalog.end(key("a"), desk.nowMs);
      desk.nowMs += QUARANTINE_MS;
      expect(await desk.sweep(1)).toMatchObject({ unlinkable: { length: 1 }, isFull: true });
      expect(await desk.sweep(3)).toMatchObject({ unlinkable: { length: 2 }, isFull: false });
    });

    it("that cannot be unlinked let all others go first", async () => {
      const [first, second] = [
        await save(desk, { name: "a", text: "abcdef" }),
        await save(desk, { name: "a", text: "abcdefgh" }),
      ];
      await catalog.end(key("a"), desk.nowMs);
      desk.nowMs += 5;
      const { nowMs } = desk;
      expect((await desk.sweep(1)).unlinkable).toEqual([first.file]);
      await catalog.postpone({ files: [first.file], nowMs, quarantineMs: QUARANTINE_MS });
      expect((await desk.sweep()).unlinkable).toEqual([second.file]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([second.file, first.file]);
    });

    it("count as no use of their session, which may be saved long after its last turn", async () => {
      desk.nowMs += 9_000;
      await save(desk, { name: "a", text: "abcdef" });
      desk.nowMs += 1_000;
      expect(await desk.sweep()).toMatchObject({ expiredSessions: 1 });
      expect(await matchSnapshot(desk, { name: "a", text: "abcdef" })).toBeUndefined();
    });
  });
}

function bytesOf(bytes: Uint8Array | undefined): number[] {
  return [...(bytes ?? [])];
}
