import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { condemn, key, type KvDesk, PLENTY, ranges } from "../../support/kv-desk.ts";

export function describeForks(opened: () => KvDesk): void {
  describe("forks", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    it("copies the list and not the bytes", async () => {
      await desk.create("a");
      const { turn } = await desk.store("a", "abcd");
      expect(await desk.fork("a", "b")).toMatchObject({
        kind: "created",
        session: { parent: "a" },
      });
      expect(ranges(await catalog.segments(key("b")))).toEqual([[0, 4]]);
      expect(await catalog.segment(segmentId(turn, 0))).toMatchObject({ refs: 2 });
      expect(await desk.bytes()).toBe(40);
    });

    it("writes to a file of its own", async () => {
      await desk.create("a");
      const { file } = await desk.store("a", "abcd");
      await desk.fork("a", "b");
      const turn = await desk.reserved("b", { tokenStart: 4 });
      expect(turn).toMatchObject({ fromBytes: 0 });
      expect(turn.file).not.toEqual(file);
    });

    it("settles a turn that was open on the parent for the parent alone", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      await desk.report(turn, "abcd");
      await desk.fork("a", "b");
      await desk.settle(turn);
      expect(ranges(await catalog.segments(key("a")))).toEqual([[0, 4]]);
      expect(await catalog.segments(key("b"))).toEqual([]);
    });

    it("outlives its parent", async () => {
      await desk.create("a");
      await desk.store("a", "abcd");
      await desk.fork("a", "b");
      await catalog.end(key("a"), desk.nowMs);
      expect(ranges((await desk.match("b", "abcd!")).segments)).toEqual([[0, 4]]);
      await catalog.end(key("b"), desk.nowMs);
      expect(await catalog.tenantUsage("t")).toMatchObject({ bytes: 0, sessions: 0 });
    });

    describe("of a session that lists much, step by step", () => {
      const step = () => ({ parent: key("a"), child: "b", nowMs: desk.nowMs, limit: 2 });
      const begin = async () => {
        const outcome = await catalog.fork({ ...step(), quota: PLENTY });
        if (outcome.kind === "created" && outcome.rest !== undefined) return outcome.rest;
        throw new Error("a step was not enough");
      };
      const starts = async (name: string) =>
        ranges(await catalog.segments(key(name))).map(([at]) => at);
      beforeEach(async () => {
        await desk.create("a");
        for (const end of [4, 8, 12, 16]) {
          await desk.store("a", "abcdefghijklmnop".slice(0, end), end - 4);
        }
      });

      it("copies the first segments first, and never more than the limit", async () => {
        const after = await begin();
        expect(await starts("b")).toEqual([0, 4]);
        expect(await catalog.audit()).toEqual([]);
        const next = await catalog.goOnFork({ ...step(), after });
        expect(await starts("b")).toEqual([0, 4, 8, 12]);
        expect(await catalog.session(key("b"))).toMatchObject({ segments: 4 });
        if (next === undefined) throw new Error("the end was not met");
        expect(await catalog.goOnFork({ ...step(), after: next })).toBeUndefined();
        expect(await starts("b")).toEqual([0, 4, 8, 12]);
      });

      it("goes past what is condemned meanwhile, however much that is", async () => {
        const listed = await catalog.segments(key("a"));
        for (const { id } of listed.slice(0, 3)) await condemn(catalog, id);
        await desk.fork("a", "b", { limit: 1 });
        expect(await starts("b")).toEqual([12]);
      });

      it("ends with either session, and never in another of the same id", async () => {
        const after = await begin();
        await catalog.end(key("b"), desk.nowMs);
        expect(await catalog.goOnFork({ ...step(), after })).toBeUndefined();
        await desk.create("b");
        expect(await catalog.goOnFork({ ...step(), after })).toBeUndefined();
        const again = { ...step(), after };
        await catalog.end(key("b"), desk.nowMs);
        desk.nowMs += 1;
        const later = await begin();
        expect(await catalog.goOnFork(again)).toBeUndefined();
        expect(await starts("b")).toEqual([0, 4]);
        await catalog.end(key("a"), desk.nowMs);
        expect(await catalog.goOnFork({ ...step(), after: later })).toBeUndefined();
      });
    });

    it("refuses without a parent, over another session, or over the quota", async () => {
      await desk.create("a");
      expect(await desk.fork("x", "b")).toEqual({ kind: "refused", reason: "no_session" });
      expect(await desk.fork("a", "a")).toEqual({ kind: "refused", reason: "exists" });
      const refused = { kind: "refused", reason: "quota_sessions" };
      expect(await desk.fork("a", "b", { sessions: 1 })).toEqual(refused);
    });
  });
}
