import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { condemn, key, type KvDesk, PLENTY } from "../../support/kv-desk.ts";
import { bookedFor, replicaOf } from "../../support/kv-copies.ts";
import { matchSnapshot, save, type SavedSnapshot } from "../../support/kv-snapshots.ts";

/** What is written once and sealed, under the rules that are for all segments. */
export function describeSnapshotLives(opened: () => KvDesk): void {
  describe("snapshots among other segments", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    let saved: SavedSnapshot;
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      for (const name of ["a", "b"]) await desk.create(name);
      saved = await save(desk, { name: "a", text: "abcdefgh" });
    });

    const evict = (bytes: number, priority = 500) => {
      const { nowMs, locations } = desk;
      const room = { location: "disk", bytes, priority, locations, nowMs, limit: 1_000 };
      return catalog.evict(room);
    };
    const isFound = async (name = "a") =>
      (await matchSnapshot(desk, { name, text: "abcdefgh" })) !== undefined;

    it("are evicted whole, and their room is there at once", async () => {
      expect(await evict(1, 499)).toMatchObject({ files: 0 });
      expect(await evict(1)).toMatchObject({ files: 1, segments: 1, bytes: 100, isShort: false });
      expect(await isFound()).toBe(false);
      expect(await catalog.segments(key("a"))).toEqual([]);
      expect((await desk.sweep()).unlinkable).toEqual([saved.file]);
      expect(await desk.bytes()).toBe(0);
    });

    it("are not evicted while somebody has pinned them, and their leases hold", async () => {
      const pin = { session: key("a"), nowMs: desk.nowMs, untilMs: desk.nowMs + 50, quota: PLENTY };
      await catalog.pin(pin);
      expect(await evict(1, 1_000)).toMatchObject({ files: 0 });
      await catalog.pin({ ...pin, untilMs: 0 });
      const untilMs = desk.nowMs + 500;
      const { segment, file } = saved;
      expect(await catalog.leaseRead({ segment, file, untilMs })).toMatchObject({ id: segment });
      expect(await evict(1, 1_000)).toMatchObject({ files: 1 });
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs = untilMs;
      expect((await desk.sweep()).unlinkable).toEqual([file]);
    });

    it("go by how often they were read per byte, like others", async () => {
      const other = await save(desk, { name: "b", text: "12345678" });
      await desk.lease("b", [other.segment], desk.nowMs + 1);
      expect(await evict(1)).toMatchObject({ files: 1 });
      expect([await isFound(), await catalog.segment(other.segment)]).toEqual([
        false,
        expect.objectContaining({ id: other.segment }),
      ]);
    });

    it("have copies, which are read in their place and go without a quarantine as well", async () => {
      const { segment, file } = saved;
      const copy = await replicaOf(desk, segment, "other");
      expect(await catalog.file(copy)).toMatchObject({ isSnapshot: true, creator: "a" });
      expect(await catalog.locationUsage("other")).toMatchObject({
        replicas: 1,
        replicaBytes: 100,
      });
      const { locations, nowMs } = desk;
      expect(await catalog.dropReplica({ segment, file, locations, nowMs })).toBe("dropped");
      expect((await desk.sweep()).unlinkable).toEqual([file]);
      expect(await isFound()).toBe(true);
      expect(await catalog.dropReplica({ segment, file: copy, locations, nowMs })).toBe("last");
      expect(await condemn(catalog, segment)).toBe(true);
      expect(await isFound()).toBe(false);
      await desk.sweep();
      expect((await desk.sweep()).unlinkable).toEqual([file, copy]);
    });

    it("have copies in the making that keep their quarantine", async () => {
      const copy = await bookedFor(desk, saved.segment, "other");
      await catalog.end(key("a"), desk.nowMs);
      desk.nowMs += 100;
      expect((await desk.sweep()).unlinkable).toEqual([saved.file]);
      expect(await catalog.file(copy)).toBeDefined();
    });

    it("are never what is left of a file", async () => {
      await desk.fork("a", "b2");
      await save(desk, { name: "a", text: "abcdefghij" });
      await catalog.end(key("b2"), desk.nowMs);
      expect(await catalog.compactable({ after: undefined, limit: 10 })).toEqual([]);
    });

    it("move on as others do, where somebody asks for it", async () => {
      const { segment, file: from } = saved;
      const to = await bookedFor(desk, segment, "disk");
      const stat = { sizeBytes: 100, identity: "2:2", content: "2", modifiedAtMs: 1 };
      const { nowMs } = desk;
      expect(await catalog.moveSegment({ segment, from, to, stat, nowMs })).toBe(true);
      expect(await catalog.segment(segment)).toMatchObject({ file: to, kvStart: 0 });
      expect((await desk.sweep()).unlinkable).toEqual([from]);
    });

    it("go on in forks and attachments, charged once, when their session ends", async () => {
      const { segment } = saved;
      await desk.fork("a", "fork");
      expect(await desk.attach("b", [segment])).toMatchObject({ kind: "attached" });
      expect(await catalog.segment(segment)).toMatchObject({ refs: 3 });
      expect(await desk.bytes()).toBe(100);
      for (const name of ["a", "fork"]) await catalog.end(key(name), desk.nowMs);
      expect(await isFound("b")).toBe(true);
      await catalog.end(key("b"), desk.nowMs);
      expect(await catalog.segment(segment)).toBeUndefined();
      expect(await desk.bytes()).toBe(0);
    });

    it("are charged to whoever else lists them, through a prefix", async () => {
      await desk.create("other/c");
      await desk.createPrefix("t/p", [saved.segment], { to: ["other"] });
      await desk.attach("other/c", [saved.segment]);
      await catalog.end(key("a"), desk.nowMs);
      await catalog.removePrefix({ tenant: "t", name: "p" }, desk.nowMs);
      expect(await desk.bytes("t")).toBe(0);
      expect(await desk.bytes("other")).toBe(100);
      expect(await isFound("other/c")).toBe(true);
    });

    it("stay while a prefix lists them, which is found by all that it is open to", async () => {
      await desk.createPrefix("t/p", [saved.segment]);
      await save(desk, { name: "a", text: "abcdefghij" });
      expect(await evict(1e9, 1_000)).toMatchObject({ files: 1 });
      expect(await catalog.segment(saved.segment)).toMatchObject({ refs: 1 });
      expect(await isFound("b")).toBe(true);
    });

    it("are read again by the scrubber with all others", async () => {
      await desk.store("b", "text");
      const first = await catalog.nextSegment(undefined);
      const second = await catalog.nextSegment(first?.id);
      expect([first?.id, second?.id]).toContain(saved.segment);
      expect(await catalog.segmentsIn(saved.file, 10)).toMatchObject([{ id: saved.segment }]);
    });

    it("lie beside what a session stores otherwise: each is found by its own kind, and all go with it", async () => {
      await desk.store("a", "abcd");
      await desk.store("a", "abcdefgh", 4);
      expect((await catalog.segments(key("a"))).length).toBe(3);
      expect(await desk.match("a", "abcdefgh!")).toMatchObject({ tokens: 8 });
      expect(await isFound()).toBe(true);
      await save(desk, { name: "a", text: "abcdefghij" });
      expect(await desk.match("a", "abcdefgh!")).toMatchObject({ tokens: 8 });
      await catalog.end(key("a"), desk.nowMs);
      expect(await desk.bytes()).toBe(0);
    });
  });
}
