import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { condemn, key, type KvDesk, ranges, RETENTION } from "../../support/kv-desk.ts";

export function describeAttachments(opened: () => KvDesk): void {
  describe("attached segments", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    let first: SegmentId;
    let second: SegmentId;
    /** The session "a" has stored two segments. */
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      for (const name of ["a", "b", "other/b"]) await desk.create(name);
      first = segmentId((await desk.store("a", "abcd")).turn, 0);
      second = segmentId((await desk.store("a", "abcdefgh", 4)).turn, 0);
    });

    it("are the session's own from then on", async () => {
      expect(await desk.attach("b", [first])).toMatchObject({
        kind: "attached",
        session: { segments: 1 },
      });
      await catalog.end(key("a"), desk.nowMs);
      expect(ranges(await catalog.segments(key("b")))).toEqual([[0, 4]]);
      expect((await desk.match("b", "abcdefgh!")).tokens).toBe(4);
    });

    it("go to a fork with all the others", async () => {
      await desk.attach("b", [second, first]);
      await desk.fork("b", "c");
      for (const name of ["a", "b"]) await catalog.end(key(name), desk.nowMs);
      expect(ranges(await catalog.segments(key("c")))).toEqual([
        [0, 4],
        [4, 4],
      ]);
    });

    it("are all of them there, or none is attached", async () => {
      await condemn(catalog, second);
      const refused = { kind: "refused", reason: "no_segment" };
      expect(await desk.attach("b", [first, second])).toEqual(refused);
      expect(await catalog.segments(key("b"))).toEqual([]);
      const nobody = { kind: "refused", reason: "no_session" };
      expect(await desk.attach("x", [first])).toEqual(nobody);
    });

    it("are of the tenant, or of a prefix that is open to it", async () => {
      const refused = { kind: "refused", reason: "no_segment" };
      expect(await desk.attach("other/b", [first])).toEqual(refused);
      await desk.createPrefix("t/paper", [first], { to: ["other"] });
      expect(await desk.attach("other/b", [first, second])).toEqual(refused);
      expect(await desk.attach("other/b", [first])).toMatchObject({ kind: "attached" });
      expect((await desk.match("other/b", "abcd!")).tokens).toBe(4);
    });

    it("are of an owner that the tenant trusts, when they are attached, leased, reserved after or shared on", async () => {
      desk.trusts.set("other", []);
      await desk.createPrefix("t/paper", [first], { to: ["other"] });
      const refused = (reason: string) => ({ kind: "refused", reason });
      expect(await desk.attach("other/b", [first])).toEqual(refused("no_segment"));
      expect(await desk.lease("other/b", [first], desk.nowMs + 1)).toBe(false);
      const next = { listed: [first], tokenStart: 4 };
      expect(await desk.reserve("other/b", next)).toEqual(refused("stale_match"));
      expect(await desk.createPrefix("other/own", [first])).toEqual(refused("no_segment"));
      expect(await desk.visible("other", first)).toBeUndefined();
      desk.trusts.set("other", ["t"]);
      expect((await desk.visible("other", first))?.id).toBe(first);
      expect(await desk.reserve("other/b", next)).toMatchObject({ kind: "reserved" });
    });

    it("stay with a session when its tenant trusts their owner no more", async () => {
      await desk.createPrefix("t/paper", [first], { to: ["other"] });
      await desk.attach("other/b", [first]);
      desk.trusts.set("other", []);
      expect(ranges(await catalog.segments(key("other/b")))).toEqual([[0, 4]]);
      expect((await desk.match("other/b", "abcd!")).tokens).toBe(4);
    });

    it("can be seen by whoever may attach them, and by nobody else", async () => {
      const seen = async (tenant: string, id: SegmentId) => (await desk.visible(tenant, id))?.id;
      await desk.createPrefix("t/paper", [first], { to: ["other"] });
      expect(await seen("t", second)).toBe(second);
      expect([await seen("other", first), await seen("other", second)]).toEqual([first, undefined]);
      const all = async (tenant: string, ids: readonly SegmentId[]) => {
        const found = await catalog.visibleSegments(desk.reader(tenant), ids, desk.nowMs);
        return found?.map(({ id }) => id);
      };
      expect(await all("t", [second, first])).toEqual([second, first]);
      expect([await all("other", [first]), await all("other", [first, second])]).toEqual([
        [first],
        undefined,
      ]);
      const open = segmentId((await desk.reserved("a")).turn, 0);
      expect(await seen("t", open)).toBeUndefined();
    });

    it("count as a use of the session", async () => {
      desk.nowMs += RETENTION.ttlMs - 1;
      await desk.attach("b", []);
      desk.nowMs += RETENTION.ttlMs - 1;
      expect(await desk.use("b")).toBe(true);
    });
  });
}
