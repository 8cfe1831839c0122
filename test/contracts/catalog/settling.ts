import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { key, type KvDesk, ranges, STAT, UNVERIFIED } from "../../support/kv-desk.ts";

export function describeSettling(opened: () => KvDesk): void {
  describe("settling", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    it("keeps the checksum and what the file looked like", async () => {
      await desk.create("a");
      const turn = await desk.store("a", "abcd");
      const segment = await catalog.segment(segmentId(turn.turn, 0));
      expect(segment).toMatchObject({ state: "durable", crc: 0xcafe, refs: 1, bytes: 40 });
      expect(await catalog.file(turn.file)).toMatchObject({
        stat: STAT,
        committedBytes: 40,
        referencedBytes: 40,
        openReservations: 0,
      });
    });

    it("settles a segment once, and nothing that was not reported", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      expect(await desk.settle(turn)).toEqual({ kind: "conflict" });
      await desk.report(turn, "abcd");
      expect(await desk.settle(turn)).toEqual({ kind: "durable" });
      expect(await desk.settle(turn)).toEqual({ kind: "conflict" });
      expect(await desk.settle(turn, 0, UNVERIFIED)).toEqual({ kind: "conflict" });
    });

    it("never lists what was dropped, and leaves its file", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      await desk.report(turn, "abcd");
      expect(await desk.settle(turn, 0, UNVERIFIED)).toEqual({ kind: "dropped" });
      expect(await desk.settle(turn)).toEqual({ kind: "conflict" });
      expect((await desk.match("a", "abcd!")).segments).toEqual([]);
      expect((await desk.reserved("a")).file).not.toEqual(turn.file);
    });

    it("settles nothing after the time for it, nor after an abort", async () => {
      await desk.create("a");
      const late = await desk.reserved("a");
      await desk.report(late, "abcd");
      desk.nowMs += 1_000;
      expect(await desk.settle(late)).toEqual({ kind: "conflict" });
      const aborted = await desk.reserved("a");
      await desk.report(aborted, "abcd");
      await desk.abort(aborted);
      expect(await desk.settle(aborted)).toEqual({ kind: "conflict" });
      expect(await desk.bytes()).toBe(0);
    });

    it("keeps the part that was durable when the rest is aborted", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a", { parts: [4, 4] });
      await desk.report(turn, "abcdefgh");
      await desk.settle(turn, 0);
      expect(await desk.abort(turn)).toBe(true);
      expect(ranges((await desk.match("a", "abcdefgh!")).segments)).toEqual([[0, 4]]);
    });

    it("stores equal segments of a tenant once, and charges them once", async () => {
      await desk.create("a");
      await desk.create("b");
      const first = await desk.store("a", "abcd");
      const second = await desk.reserved("b");
      await desk.report(second, "abcd");
      const of = segmentId(first.turn, 0);
      expect(await desk.settle(second)).toEqual({ kind: "duplicate", of });
      expect(await catalog.segment(of)).toMatchObject({ refs: 2 });
      expect(await desk.bytes()).toBe(40);
      await catalog.end(key("a"), desk.nowMs);
      expect(ranges((await desk.match("b", "abcd!")).segments)).toEqual([[0, 4]]);
    });

    it("takes for equal only what has as many tokens", async () => {
      await desk.create("a");
      await desk.create("b");
      await desk.storeForged("a", "abcdefgh");
      const turn = await desk.reserved("b", { parts: [8] });
      await desk.report(turn, "abcdefgh");
      expect(await desk.settle(turn)).toEqual({ kind: "durable" });
      expect(ranges((await desk.match("b", "abcdefgh!")).segments)).toEqual([[0, 8]]);
    });

    it("lets go of what is said to end in one place, whichever goes first", async () => {
      for (const name of ["a", "b", "c"]) await desk.create(name);
      await desk.storeForged("a", "abcdefgh", { offset: 4 });
      await desk.store("b", "abcdefgh");
      await desk.storeForged("c", "abcdefghij", { offset: 4 });
      for (const name of ["a", "b", "c"]) {
        expect(await catalog.end(key(name), desk.nowMs)).toBe(true);
        expect(await catalog.audit()).toEqual([]);
      }
    });

    it("keeps what is equal to a segment at a location that there is no more, and matches that", async () => {
      await desk.create("a");
      const gone = await desk.store("a", "abcd", 0);
      desk.locations = new Set(["tmpfs"]);
      expect(await desk.match("a", "abcd!")).toMatchObject({
        segments: [],
        limit: "location_unknown",
      });
      const kept = await desk.reserved("a", { newFile: { location: "tmpfs" } });
      await desk.report(kept, "abcd");
      expect(await desk.settle(kept)).toEqual({ kind: "durable" });
      const second = await desk.reserved("a", { newFile: { location: "tmpfs" } });
      await desk.report(second, "abcd");
      const of = segmentId(kept.turn, 0);
      expect(await desk.settle(second)).toEqual({ kind: "duplicate", of });
      expect((await desk.match("a", "abcd!")).segments).toMatchObject([{ id: of }]);
      desk.locations = new Set(["disk"]);
      const { segments } = await desk.match("a", "abcd!");
      expect(segments).toMatchObject([{ id: segmentId(gone.turn, 0) }]);
      expect(await catalog.audit()).toEqual([]);
    });

    it("keeps equal prompts of two tenants apart", async () => {
      await desk.create("a");
      await desk.create("other/a");
      await desk.store("a", "abcd");
      expect((await desk.match("other/a", "abcd!")).segments).toEqual([]);
      const turn = await desk.reserved("other/a");
      await desk.report(turn, "abcd");
      expect(await desk.settle(turn)).toEqual({ kind: "durable" });
      expect([await desk.bytes("t"), await desk.bytes("other")]).toEqual([40, 40]);
    });

    it("takes a condemned segment from all who list it", async () => {
      await desk.create("a");
      const { turn, file } = await desk.store("a", "abcd");
      await desk.store("a", "abcdefgh", 4);
      await desk.fork("a", "b");
      const damaged = { segment: segmentId(turn, 0), file };
      expect(await catalog.condemn(damaged)).toBe(true);
      expect(await catalog.condemn(damaged)).toBe(false);
      for (const name of ["a", "b"]) {
        expect(ranges(await catalog.segments(key(name)))).toEqual([[4, 4]]);
        expect((await desk.match(name, "abcdefgh!")).segments).toEqual([]);
      }
      expect((await desk.reserved("a")).file).not.toEqual(file);
    });
  });
}
