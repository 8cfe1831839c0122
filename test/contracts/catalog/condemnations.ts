import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { FileRef } from "../../../src/kv/records.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { condemn, key, type KvDesk, QUARANTINE_MS, ranges } from "../../support/kv-desk.ts";

const FORKS = 5;
const HOLDERS = FORKS + 1;

export function describeCondemnations(opened: () => KvDesk): void {
  describe("a condemned segment that many list", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    let id: SegmentId;
    let file: FileRef;
    /** The session goes on with a second segment, which stays whole. */
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a");
      const first = await desk.store("a", "abcd");
      ({ file } = first);
      id = segmentId(first.turn, 0);
      await desk.store("a", "abcdefgh", 4);
      for (let n = 0; n < FORKS; n++) await desk.fork("a", `fork-${n}`);
      expect(await catalog.segment(id)).toMatchObject({ refs: HOLDERS });
      expect(await condemn(catalog, id)).toBe(true);
    });

    it("is nobody's at once: not found, read, listed, forked or attached", async () => {
      expect(await catalog.condemn({ segment: id, file })).toBe(false);
      expect(await catalog.segment(id)).toBeUndefined();
      expect(await desk.visible("t", id)).toBeUndefined();
      expect(await catalog.leaseRead({ segment: id, file, untilMs: 2e6 })).toBeUndefined();
      expect(ranges(await catalog.segments(key("a")))).toEqual([[4, 4]]);
      expect(await desk.match("a", "abcdefgh!")).toMatchObject({ segments: [], limit: "gap" });
      expect(await desk.lease("a", [id], 2e6)).toBe(false);
      expect(await desk.reserve("a", { listed: [id] })).toMatchObject({ reason: "stale_match" });
      expect(await desk.attach("a", [id])).toMatchObject({ reason: "no_segment" });
      expect(await desk.createPrefix("t/p", [id])).toMatchObject({ reason: "no_segment" });
      await desk.fork("a", "later");
      expect(await catalog.session(key("later"))).toMatchObject({ segments: 1 });
      expect(await catalog.audit()).toEqual([]);
    });

    it("is charged to nobody and counts nowhere from then on", async () => {
      expect(await desk.bytes()).toBe(40);
      expect(await catalog.totals()).toMatchObject({
        locations: [{ referencedBytes: 40 }],
        segments: [{ state: "durable", segments: 1, bytes: 40 }],
      });
    });

    it("is not what a session is said to diverge to", async () => {
      await desk.create("b");
      const { turn } = await desk.store("b", "wxyz");
      await condemn(catalog, segmentId(turn, 0));
      expect(await desk.match("b", "other!")).toMatchObject({ limit: "nothing_stored" });
      await desk.store("b", "wxyzabcd", 4);
      expect(await desk.match("b", "other!")).toMatchObject({ limit: "diverged" });
    });

    it("is dropped by those who list it in passes of a limited size", async () => {
      const counts = async () => {
        const names = ["a", ...Array.from({ length: FORKS }, (_, n) => `fork-${n}`)];
        let sum = 0;
        for (const name of names) sum += (await catalog.session(key(name)))?.segments ?? 0;
        return sum;
      };
      expect(await counts()).toBe(2 * HOLDERS);
      expect(await desk.sweep(4)).toMatchObject({ isFull: true });
      expect(await counts()).toBe(2 * HOLDERS - 4);
      expect(await catalog.audit()).toEqual([]);
      expect(await desk.sweep(4)).toMatchObject({ isFull: false });
      expect(await counts()).toBe(HOLDERS);
    });

    it("makes place for an equal one, which stays when its references go", async () => {
      const again = await desk.reserved("a");
      await desk.report(again, "abcd");
      expect(await desk.settle(again)).toEqual({ kind: "durable" });
      await desk.sweep();
      const { segments } = await desk.match("fork-0", "abcdefgh!");
      expect(segments.map((each) => each.id)[0]).toBe(segmentId(again.turn, 0));
      expect(segments).toMatchObject([{ refs: 1 }, { refs: HOLDERS }]);
    });

    it("is forgotten with the last session that listed it, swept or not", async () => {
      await catalog.end(key("a"), desk.nowMs);
      for (let n = 0; n < FORKS; n++) await catalog.end(key(`fork-${n}`), desk.nowMs);
      expect(await catalog.audit()).toEqual([]);
      expect(await desk.sweep(1)).toMatchObject({ isFull: false });
    });

    it("keeps no file, though references to it are left", async () => {
      await desk.create("b");
      const alone = await desk.store("b", "wxyz");
      await desk.fork("b", "b-fork");
      await condemn(catalog, segmentId(alone.turn, 0));
      desk.nowMs += QUARANTINE_MS;
      expect((await desk.sweep(4)).unlinkable).toEqual([alone.file]);
      await catalog.unlinked([alone.file]);
      expect(await catalog.audit()).toEqual([]);
      await desk.sweep();
      expect(await catalog.audit()).toEqual([]);
    });
  });
}
