import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { type FileRef, type SegmentId, segmentId } from "../../../src/kv/records.ts";
import type { EvictRequest } from "../../../src/kv/space.ts";
import { copied } from "../../support/kv-copies.ts";
import { key, type KvDesk, PLENTY, RETENTION } from "../../support/kv-desk.ts";

const LONG = { ...RETENTION, ttlMs: 1e9, maxAgeMs: 1e9, pinLimitMs: 1e9 };

export function describeReplicaEvictions(opened: () => KvDesk): void {
  describe("evictions of replicas", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    /** Of a session of its own, four tokens in a file on the disk. */
    async function stored(name: string, priority = 500): Promise<SegmentId> {
      await desk.create(name, { retention: { ...LONG, priority } });
      return segmentId((await desk.store(name, name.padEnd(4, "-"))).turn, 0);
    }

    const replicate = (segment: SegmentId, location = "other") =>
      copied(desk, { segment, to: { location, name: segment.replace(".", "-") as ObjectName } });

    function evict(changes: Partial<EvictRequest> = {}) {
      const { nowMs, locations } = desk;
      const request = { location: "other", bytes: 1, priority: 500, locations, nowMs, limit: 100 };
      return catalog.evict({ ...request, ...changes });
    }

    const copiesOf = async (id: SegmentId): Promise<readonly string[]> => {
      const found = await catalog.segment(id);
      const copies: readonly FileRef[] = found === undefined ? [] : [found.file, ...found.replicas];
      return copies.map(({ location }) => location);
    };

    const pin = (name: string) =>
      catalog.pin({
        session: key(name),
        nowMs: desk.nowMs,
        untilMs: desk.nowMs + 1e8,
        quota: PLENTY,
      });

    it("take the copy there, and the segment is read in another from then on", async () => {
      const id = await stored("a");
      await replicate(id);
      expect(await evict()).toMatchObject({ files: 1, segments: 0, copies: 1, bytes: 40 });
      expect(await copiesOf(id)).toEqual(["disk"]);
      await replicate(id, "tmpfs");
      expect(await evict({ location: "disk" })).toMatchObject({ segments: 0, copies: 1 });
      expect(await copiesOf(id)).toEqual(["tmpfs"]);
      expect((await desk.match("a", "a---!")).tokens).toBe(4);
      expect(await evict({ location: "tmpfs" })).toMatchObject({ segments: 1, copies: 0 });
      expect(await copiesOf(id)).toEqual([]);
    });

    it("for reading take further copies alone, of whatever priority, past files that have first ones", async () => {
      const dear = await stored("dear", 900);
      const pinned = await stored("pinned", 900);
      await pin("pinned");
      for (const id of [dear, pinned]) await replicate(id, "disk2");
      const own: SegmentId[] = [];
      for (const name of ["free1", "free2", "free3", "free4", "free5", "free6", "paid"]) {
        const priority = name === "paid" ? 500 : 0;
        await desk.create(name, { retention: { ...LONG, priority } });
        const turn = await desk.reserved(name, { newFile: { location: "disk2" } });
        await desk.report(turn, name);
        await desk.settle(turn);
        own.push(segmentId(turn.turn, 0));
      }
      const asked = { location: "disk2", bytes: 1_000, priority: "reading", limit: 8 } as const;
      const without = new Set(["disk2"]);
      expect(await evict({ ...asked, locations: without })).toMatchObject({ copies: 0 });
      expect(await evict(asked)).toMatchObject({ segments: 0, copies: 2, isShort: true });
      for (const id of [dear, pinned]) expect(await copiesOf(id)).toEqual(["disk"]);
      for (const id of own) expect(await copiesOf(id)).toEqual(["disk2"]);
    });

    it("come before those of first copies of the same priority, however often they are read", async () => {
      const hot = await stored("hot");
      await replicate(hot, "disk2");
      desk.locations = new Set(["disk", "disk2"]);
      await desk.create("cold", { retention: { ...LONG, priority: 500 } });
      const newFile = { location: "disk2" };
      const turn = await desk.reserved("cold", { newFile });
      await desk.report(turn, "cold");
      await desk.settle(turn);
      desk.nowMs += 10_000_000;
      desk.reads = () => ({ location: "disk2", name: hot.replace(".", "-") as ObjectName });
      for (let read = 0; read < 5; read++) await desk.lease("hot", [hot], desk.nowMs + 1);
      desk.nowMs += 10;
      expect(await evict({ location: "disk2" })).toMatchObject({ segments: 0, copies: 1 });
      expect(await copiesOf(hot)).toEqual(["disk"]);
      expect(await copiesOf(segmentId(turn.turn, 0))).toEqual(["disk2"]);
    });

    it("come after those of first copies of a lower priority, and never for a lower one", async () => {
      const dear = await stored("dear", 800);
      await replicate(dear, "disk2");
      await desk.create("b", { retention: { ...LONG, priority: 100 } });
      const turn = await desk.reserved("b", { newFile: { location: "disk2" } });
      await desk.report(turn, "bbbb");
      await desk.settle(turn);
      const at = { location: "disk2", locations: new Set(["disk", "disk2"]) };
      expect(await evict({ ...at, priority: 800 })).toMatchObject({ segments: 1, copies: 0 });
      expect(await evict({ ...at, priority: 799 })).toMatchObject({ copies: 0, isShort: true });
      expect(await evict({ ...at, priority: 800 })).toMatchObject({ copies: 1 });
    });

    it("spare of what is pinned the last copy alone", async () => {
      const id = await stored("a");
      await pin("a");
      await replicate(id);
      expect(await evict({ location: "disk" })).toMatchObject({ segments: 0, copies: 1 });
      expect(await evict({ priority: 1_000 })).toMatchObject({ segments: 0, isShort: true });
      expect(await copiesOf(id)).toEqual(["other"]);
    });

    it("take what a pin kept once it has another copy, though they have looked before", async () => {
      const id = await stored("a");
      await pin("a");
      expect(await evict({ location: "disk" })).toMatchObject({ files: 0, isShort: true });
      await replicate(id);
      expect(await evict({ location: "disk" })).toMatchObject({ copies: 1 });
    });

    it("spare what is pinned where its other copy is at no location that there is now", async () => {
      const id = await stored("a");
      await pin("a");
      await replicate(id);
      const locations = new Set(["disk"]);
      expect(await evict({ location: "disk", locations })).toMatchObject({ files: 0 });
      expect(await copiesOf(id)).toEqual(["disk", "other"]);
    });

    it("spare of what a prefix lists the last copy alone", async () => {
      const id = await stored("a");
      await desk.createPrefix("t/p", [id]);
      await catalog.end(key("a"), desk.nowMs);
      await replicate(id);
      expect(await evict({ priority: 0 })).toMatchObject({ copies: 1 });
      expect(await evict({ location: "disk", priority: 1_000 })).toMatchObject({ isShort: true });
      expect(await copiesOf(id)).toEqual(["disk"]);
    });
  });
}
