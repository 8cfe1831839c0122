import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { condemn, key, type KvDesk, ranges } from "../../support/kv-desk.ts";

export function describeCharges(opened: () => KvDesk): void {
  describe("what is listed, and who is charged for it", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    let id: SegmentId;
    /** The session "a" has stored a segment of 40 bytes, which is open to everyone. */
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      for (const name of ["a", "b", "other/b", "third/c"]) await desk.create(name);
      id = segmentId((await desk.store("a", "abcd")).turn, 0);
      await desk.createPrefix("t/paper", [id], { to: "everyone" });
    });

    const usage = () => Promise.all(["t", "other", "third"].map((tenant) => desk.bytes(tenant)));
    const untilMs = () => desk.nowMs + 10;

    it("is the session's own from the turn that lists it on", async () => {
      await desk.reserved("b", { listed: [id], tokenStart: 4 });
      await desk.lease("other/b", [id], untilMs());
      await catalog.removePrefix({ tenant: "t", name: "paper" }, desk.nowMs);
      await catalog.end(key("a"), desk.nowMs);
      for (const name of ["b", "other/b"]) {
        expect(ranges(await catalog.segments(key(name)))).toEqual([[0, 4]]);
        expect((await desk.match(name, "abcd!")).tokens).toBe(4);
      }
      expect((await desk.match("third/c", "abcd!")).tokens).toBe(0);
      expect(await catalog.segment(id)).toMatchObject({ refs: 2 });
    });

    it("is listed once, however often it is read", async () => {
      for (const name of ["a", "b", "b"]) await desk.lease(name, [id], untilMs());
      expect(await catalog.segment(id)).toMatchObject({ refs: 3 });
    });

    it("is charged to who stored it as long as anything of that tenant lists it", async () => {
      await desk.lease("other/b", [id], untilMs());
      await catalog.end(key("a"), desk.nowMs);
      expect(await usage()).toEqual([40, 0, 0]);
      desk.nowMs += 1;
      await desk.lease("b", [id], untilMs());
      await catalog.removePrefix({ tenant: "t", name: "paper" }, desk.nowMs);
      expect(await usage()).toEqual([40, 0, 0]);
    });

    it("is charged to who has listed it for longest, once its tenant has not", async () => {
      desk.nowMs += 1;
      await desk.lease("third/c", [id], untilMs());
      desk.nowMs += 1;
      await desk.lease("other/b", [id], untilMs());
      await catalog.end(key("a"), desk.nowMs);
      await catalog.removePrefix({ tenant: "t", name: "paper" }, desk.nowMs);
      expect(await usage()).toEqual([0, 0, 40]);
      await catalog.end(key("third/c"), desk.nowMs);
      expect(await usage()).toEqual([0, 40, 0]);
      await catalog.end(key("other/b"), desk.nowMs);
      expect(await usage()).toEqual([0, 0, 0]);
      expect(await catalog.segment(id)).toBeUndefined();
    });

    it("may put a tenant above its quota, which then reserves no more", async () => {
      await desk.lease("other/b", [id], untilMs());
      await catalog.end(key("a"), desk.nowMs);
      await catalog.removePrefix({ tenant: "t", name: "paper" }, desk.nowMs);
      const quota = { bytes: 79, sessions: 9, pins: 9 };
      const refused = { kind: "refused", reason: "quota_bytes" };
      expect(await desk.reserve("other/b", { quota })).toEqual(refused);
      expect(await desk.reserve("other/b", { quota: { ...quota, bytes: 80 } })).toMatchObject({
        kind: "reserved",
      });
    });

    it("is taken from sessions and prefixes of everybody when it is condemned", async () => {
      await desk.lease("other/b", [id], untilMs());
      expect(await condemn(catalog, id)).toBe(true);
      expect(await catalog.prefixSegments({ tenant: "t", name: "paper" })).toEqual([]);
      expect(await catalog.segments(key("other/b"))).toEqual([]);
      expect(await usage()).toEqual([0, 0, 0]);
    });
  });
}
