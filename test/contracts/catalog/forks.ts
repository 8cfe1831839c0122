import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { key, type KvDesk, ranges } from "../../support/kv-desk.ts";

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

    it("refuses without a parent, over another session, or over the quota", async () => {
      await desk.create("a");
      expect(await desk.fork("x", "b")).toEqual({ kind: "refused", reason: "no_session" });
      expect(await desk.fork("a", "a")).toEqual({ kind: "refused", reason: "exists" });
      const refused = { kind: "refused", reason: "quota_sessions" };
      expect(await desk.fork("a", "b", 1)).toEqual(refused);
    });
  });
}
