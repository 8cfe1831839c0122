import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { condemn, key, type KvDesk, PLENTY, RETENTION } from "../../support/kv-desk.ts";

export function describeReadCounts(opened: () => KvDesk): void {
  describe("how often segments are read", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    let ids: readonly SegmentId[];
    /** The session "a" lists three segments. */
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a");
      const stored = [
        await desk.store("a", "abcd"),
        await desk.store("a", "abcdefgh", 4),
        await desk.store("a", "abcdefghijkl", 8),
      ];
      ids = stored.map(({ turn }) => segmentId(turn, 0));
      await desk.sweep();
    });

    const timesRead = async () => (await catalog.segments(key("a"))).map((each) => each.timesRead);
    const lease = (listed = ids) => desk.lease("a", listed, desk.nowMs + 10);

    it("is told from the next sweep on, for turns with a reservation and without", async () => {
      const before = await timesRead();
      const { turn } = await desk.reserved("a", { listed: ids, tokenStart: 12 });
      await catalog.abort({ turn, nowMs: desk.nowMs });
      desk.nowMs += 5;
      await lease(ids.slice(0, 1));
      expect(await timesRead()).toEqual(before);
      expect(await desk.sweep()).toMatchObject({ isFull: false });
      const [first, ...others] = await catalog.segments(key("a"));
      expect(first).toMatchObject({ timesRead: 2, lastReadAtMs: desk.nowMs });
      for (const other of others) {
        expect(other).toMatchObject({ timesRead: 1, lastReadAtMs: desk.nowMs - 5 });
      }
    });

    it("is not counted for a plan that was refused", async () => {
      const refused = await desk.reserve("a", {
        listed: ids,
        tokenStart: 12,
        quota: { ...PLENTY, bytes: 0 },
      });
      expect(refused).toMatchObject({ kind: "refused" });
      expect(await desk.lease("nobody", ids, desk.nowMs + 10)).toBe(false);
      await desk.sweep();
      expect(await timesRead()).toEqual([0, 0, 0]);
    });

    it("is written for so many segments in one pass", async () => {
      await lease();
      expect(await desk.sweep(2)).toMatchObject({ isFull: false });
      expect(await timesRead()).toEqual([1, 1, 0]);
      await lease();
      await desk.sweep(2);
      expect(await timesRead()).toEqual([2, 1, 2]);
      expect(await desk.sweep(1)).toMatchObject({ isFull: false });
      expect(await timesRead()).toEqual([2, 2, 2]);
      await lease();
      expect(await desk.sweep(1)).toMatchObject({ isFull: true });
    });

    it("gives way to a sweep that has much to do, while they are few", async () => {
      const retention = { ...RETENTION, ttlMs: 1 };
      for (const name of ["b", "c", "d", "e"]) await desk.create(name, { retention });
      desk.nowMs += 1;
      await lease();
      expect(await desk.sweep(4)).toMatchObject({ expiredSessions: 4, isFull: true });
      expect(await timesRead()).toEqual([0, 0, 0]);
      expect(await desk.sweep(4)).toMatchObject({ isFull: false });
      expect(await timesRead()).toEqual([1, 1, 1]);
    });

    it("is of no matter for what has gone since", async () => {
      const last = ids.at(-1) ?? expect.fail();
      await lease();
      await condemn(catalog, last);
      await desk.sweep();
      expect(await timesRead()).toEqual([1, 1]);
    });
  });
}
