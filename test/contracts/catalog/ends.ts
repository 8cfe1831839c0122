import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { segmentId } from "../../../src/kv/records.ts";
import {
  key,
  type KvDesk,
  PLENTY,
  QUARANTINE_MS,
  ranges,
  RETENTION,
} from "../../support/kv-desk.ts";

export function describeEnds(opened: () => KvDesk): void {
  describe("ends and sweeps", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    it("ends a session with its turns, its references and its charge, at once", async () => {
      await desk.create("a");
      await desk.store("a", "abcd");
      const turn = await desk.reserved("a", { tokenStart: 4 });
      const branch = await desk.reserved("a", { whenBusy: "branch" });
      expect(await catalog.end(key("a"), desk.nowMs)).toBe(true);
      expect(await catalog.end(key("a"), desk.nowMs)).toBe(false);
      expect(await catalog.tenantUsage("t")).toMatchObject({ bytes: 0, sessions: 0 });
      for (const late of [turn, branch]) {
        expect(await desk.report(late, "abcdefgh")).toMatchObject({ kind: "conflict" });
      }
    });

    it("gives a file up when its quarantine is over, and names it until it is gone", async () => {
      await desk.create("a");
      const { file } = await desk.store("a", "abcd");
      desk.nowMs += 5;
      await catalog.end(key("a"), desk.nowMs);
      desk.nowMs += QUARANTINE_MS - 6;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([file]);
      expect((await desk.sweep()).unlinkable).toEqual([file]);
      await catalog.unlinked([file]);
      await catalog.unlinked([file]);
      expect((await desk.sweep()).unlinkable).toEqual([]);
      expect(await catalog.locationUsage("disk")).toMatchObject({ bookedBytes: 0 });
    });

    it("counts the quarantine from the end of a lost turn, not from its start", async () => {
      await desk.create("a", { retention: { ...RETENTION, ttlMs: 1_000_000 } });
      const { file } = await desk.reserved("a");
      desk.nowMs += 1_000;
      expect(await desk.sweep()).toMatchObject({ abortedTurns: 1 });
      desk.nowMs += QUARANTINE_MS - 1;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([file]);
    });

    it("keeps a file that a fork still reads from", async () => {
      await desk.create("a");
      const { file } = await desk.store("a", "abcd");
      await desk.fork("a", "b");
      const pin = { session: key("b"), nowMs: desk.nowMs, quota: PLENTY };
      await catalog.pin({ ...pin, untilMs: desk.nowMs + 3 * QUARANTINE_MS });
      desk.nowMs += 2 * QUARANTINE_MS;
      expect(await desk.sweep()).toMatchObject({ expiredSessions: 1, unlinkable: [] });
      await catalog.end(key("b"), desk.nowMs);
      expect((await desk.sweep()).unlinkable).toEqual([file]);
    });

    it("keeps a file that a turn may still write to, however long that lasts", async () => {
      await desk.create("a");
      await pinned("a", 9 * QUARANTINE_MS);
      await desk.reserved("a", { deadlineMs: desk.nowMs + 3 * QUARANTINE_MS });
      const branch = { whenBusy: "branch", deadlineMs: desk.nowMs + 3 * QUARANTINE_MS } as const;
      const { file } = await desk.reserved("a", branch);
      desk.nowMs += 2 * QUARANTINE_MS;
      expect(await desk.sweep()).toMatchObject({ abortedTurns: 0, unlinkable: [] });
      expect(await catalog.file(file)).toMatchObject({ isSealed: true, openReservations: 1 });
    });

    it("keeps the file that a session goes on in, though nothing in it is listed", async () => {
      await desk.create("a");
      await pinned("a", 9 * QUARANTINE_MS);
      const turn = await desk.reserved("a");
      await desk.report(turn, "");
      desk.nowMs += 2 * QUARANTINE_MS;
      expect(await desk.sweep()).toMatchObject({ unlinkable: [] });
      expect(await desk.reserved("a")).toMatchObject({ file: turn.file, fromBytes: 40 });
    });

    async function pinned(name: string, ms: number): Promise<void> {
      const pin = { session: key(name), nowMs: desk.nowMs, quota: PLENTY };
      expect(await catalog.pin({ ...pin, untilMs: desk.nowMs + ms })).toBe("pinned");
    }

    it("does no more in a pass than its limit, and goes on in the next", async () => {
      for (const name of ["a", "b", "c"]) await desk.create(name);
      await desk.reserved("a");
      desk.nowMs += RETENTION.ttlMs;
      expect(await desk.sweep(2)).toMatchObject({
        abortedTurns: 1,
        expiredSessions: 1,
        isFull: true,
      });
      expect(await desk.sweep(3)).toMatchObject({ expiredSessions: 2, isFull: false });
    });

    it("names files to be unlinked in every pass, however many sessions are due", async () => {
      const names = ["a", "b", "c", "d"];
      for (const name of names) {
        await desk.create(name);
        await desk.reserved(name);
        await catalog.end(key(name), desk.nowMs);
      }
      desk.nowMs += QUARANTINE_MS;
      for (const name of names) await desk.create(name);
      desk.nowMs += RETENTION.ttlMs;
      const { unlinkable, ...ended } = await desk.sweep(4);
      expect(unlinkable).toHaveLength(1);
      expect(ended).toMatchObject({ expiredSessions: 3, isFull: true });
    });

    it("ends a session that lists more than its limit in parts, the last segments first", async () => {
      await desk.create("a");
      for (const end of [4, 8, 12]) await desk.store("a", "abcdefghijkl".slice(0, end), end - 4);
      desk.nowMs += RETENTION.ttlMs;
      expect(await desk.sweep(2)).toMatchObject({ expiredSessions: 1, isFull: true });
      expect(await catalog.session(key("a"))).toBeUndefined();
      await desk.create("b");
      const left = await desk.match("b", "abcdefghijkl!");
      expect(ranges(left.segments)).toEqual([
        [0, 4],
        [4, 4],
      ]);
      expect(await desk.bytes()).toBe(80);
      expect(await desk.sweep(2)).toMatchObject({ expiredSessions: 0, isFull: true });
      expect(await desk.bytes()).toBe(0);
      expect(await desk.sweep(1)).toMatchObject({ isFull: false });
    });

    describe("of a session that lists much", () => {
      /** More than a rule drops at once. */
      const MANY = 140;
      beforeEach(async () => {
        await desk.create("a");
        await catalog.pin({ session: key("a"), nowMs: desk.nowMs, untilMs: 2e6, quota: PLENTY });
        for (let n = 0; n < MANY; n++) await desk.store("a", String(n).padStart(4, "0"));
      });

      async function end(how: "ended" | "expired"): Promise<void> {
        if (how === "expired") desk.nowMs = 2e6;
        expect(await catalog.end(key("a"), desk.nowMs)).toBe(how === "ended");
      }

      it.each(["ended", "expired"] as const)(
        "leaves nothing to be seen of it when it has %s, and drops the rest in parts",
        async (how) => {
          const { turn } = await desk.reserved("a", { tokenStart: 4 });
          await end(how);
          expect(await catalog.session(key("a"))).toBeUndefined();
          expect(await catalog.segments(key("a"))).toEqual([]);
          const page = { tenant: "t", after: undefined, limit: 9 };
          expect(await catalog.sessions(page)).toEqual([]);
          expect(await catalog.turn(turn)).toBeUndefined();
          expect(await desk.use("a")).toBe(false);
          expect(await desk.fork("a", "b")).toMatchObject({ reason: "no_session" });
          expect(await catalog.tenantUsage("t")).toEqual({
            tenant: "t",
            bytes: 12 * 40,
            sessions: 0,
            pins: 0,
          });
          expect(await catalog.audit()).toEqual([]);
          expect(await desk.sweep(7)).toMatchObject({ expiredSessions: 0, isFull: true });
          expect(await desk.bytes()).toBe(5 * 40);
          expect(await desk.sweep(6)).toMatchObject({ isFull: false });
          expect(await desk.bytes()).toBe(0);
        },
      );

      it("makes others under its id at once, which list nothing of it", async () => {
        await end("ended");
        for (let n = 0; n < MANY; n++) {
          if (n === 0) expect(await desk.create("a")).toMatchObject({ kind: "created" });
          await desk.store("a", `x${String(n).padStart(3, "0")}`);
        }
        await end("ended");
        expect(await desk.create("a")).toMatchObject({ kind: "created" });
        await desk.store("a", "last");
        expect(await catalog.segments(key("a"))).toHaveLength(1);
        expect(await desk.bytes()).toBe(25 * 40);
        expect(await catalog.audit()).toEqual([]);
        await desk.sweep(14);
        expect(await desk.bytes()).toBe(11 * 40);
        await desk.sweep();
        expect(await desk.bytes()).toBe(40);
        expect(ranges(await catalog.segments(key("a")))).toEqual([[0, 4]]);
      });

      it("gives what is left of it to whoever lists it, until the sweep", async () => {
        await end("ended");
        await desk.create("b");
        const [found] = (await desk.match("b", "0000!")).segments;
        expect(await desk.lease("b", found === undefined ? [] : [found.id], desk.nowMs)).toBe(true);
        await desk.sweep();
        expect(await desk.bytes()).toBe(40);
        expect(await catalog.segments(key("b"))).toMatchObject([{ refs: 1 }]);
      });

      it("is evicted before anything else, though it was pinned", async () => {
        await end("ended");
        const { nowMs, locations } = desk;
        const room = { location: "disk", bytes: 1, priority: 0, locations, nowMs, limit: 100 };
        expect(await catalog.evict(room)).toMatchObject({ segments: 0, isShort: false });
      });
    });

    it("ends a prefix that lists more than its limit in parts", async () => {
      await desk.create("a");
      const { turn } = await desk.store("a", "abcd");
      const expiresAtMs = desk.nowMs + 10;
      await desk.createPrefix("t/paper", [segmentId(turn, 0)], { expiresAtMs });
      desk.nowMs = expiresAtMs;
      expect(await desk.sweep(1)).toMatchObject({ expiredPrefixes: 1, isFull: true });
      expect(await catalog.prefix({ tenant: "t", name: "paper" })).toBeUndefined();
      expect(await catalog.tenantUsage("t")).toMatchObject({ pins: 0 });
      expect(await catalog.segment(segmentId(turn, 0))).toMatchObject({ refs: 2 });
      expect(await desk.sweep(2)).toMatchObject({ expiredPrefixes: 0, isFull: true });
      expect(await catalog.segment(segmentId(turn, 0))).toMatchObject({ refs: 1 });
    });

    it("forgets no file that is in use, whoever says that it is gone", async () => {
      await desk.create("a");
      const { file } = await desk.store("a", "abcd");
      await catalog.unlinked([file]);
      expect(await catalog.file(file)).toMatchObject({ referencedBytes: 40 });
    });
  });
}
