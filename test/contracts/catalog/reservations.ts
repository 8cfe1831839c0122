import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { segmentId } from "../../../src/kv/records.ts";
import {
  key,
  type KvDesk,
  PLENTY,
  ranges,
  TOKEN_BYTES,
  UNVERIFIED,
} from "../../support/kv-desk.ts";

export function describeReservations(opened: () => KvDesk): void {
  describe("reservations", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    it("gives the offsets of the seed's example [seed]", async () => {
      await desk.create("a");
      const seed = { tokenBytes: 147_456, rankTokenBytes: 147_456 };
      const starts: number[][] = [];
      for (const [tokenStart, tokens] of [
        [0, 113],
        [113, 100],
        [213, 1213],
      ] as const) {
        const turn = await desk.reserved("a", { ...seed, tokenStart, parts: [tokens] });
        starts.push(...turn.parts.map((part) => [part.tokenStart, part.kvStart]));
        await desk.report(turn, "x".repeat(tokenStart + tokens));
        await desk.settle(turn);
      }
      expect(starts).toEqual([
        [0, 0],
        [113, 16_662_528],
        [213, 31_408_128],
      ]);
      const files = (await catalog.segments(key("a"))).map(({ file }) => file.name);
      expect(new Set(files).size).toBe(1);
    });

    it("begins after the whole of a reservation that was left half used", async () => {
      await desk.create("a");
      const first = await desk.reserved("a", { parts: [8] });
      await desk.report(first, "abcd");
      await desk.settle(first);
      const second = await desk.reserved("a", { tokenStart: 4, parts: [4] });
      expect(second).toMatchObject({ file: first.file, fromBytes: 80, toBytes: 120 });
      expect(second.parts[0]?.kvStart).toBe(80);
    });

    it("cuts a reservation into parts that follow each other", async () => {
      await desk.create("a");
      const { parts } = await desk.reserved("a", { tokenStart: 3, parts: [5, 2] });
      expect(parts).toMatchObject([
        { tokenStart: 3, tokenLength: 5, kvStart: 0 },
        { tokenStart: 8, tokenLength: 2, kvStart: 50 },
      ]);
    });

    it("lets the second turn of a session wait for the first one's report", async () => {
      await desk.create("a");
      const first = await desk.reserved("a");
      const deadlineMs = desk.nowMs + 1_000;
      expect(await desk.reserve("a")).toEqual({ kind: "busy", turn: first.turn, deadlineMs });
      await desk.report(first, "abcd");
      expect(await desk.reserved("a")).toMatchObject({ file: first.file, fromBytes: 40 });
    });

    it("gives the second turn a file of its own where it may branch", async () => {
      await desk.create("a");
      const first = await desk.reserved("a");
      const branch = await desk.reserved("a", { whenBusy: "branch" });
      expect(branch).toMatchObject({ fromBytes: 0 });
      expect(branch.file).not.toEqual(first.file);
      await desk.report(branch, "wxyz");
      await desk.settle(branch);
      await desk.report(first, "abcd");
      await desk.settle(first);
      expect(await desk.reserved("a")).toMatchObject({ file: first.file, fromBytes: 40 });
      expect(ranges((await desk.match("a", "wxyz!")).segments)).toEqual([[0, 4]]);
      expect(ranges((await desk.match("a", "abcd!")).segments)).toEqual([[0, 4]]);
    });

    it("opens a new file after an abort", async () => {
      await desk.create("a");
      const first = await desk.reserved("a");
      expect(await desk.abort(first)).toBe(true);
      const second = await desk.reserved("a");
      expect(second.file).not.toEqual(first.file);
      expect(second.fromBytes).toBe(0);
    });

    it("aborts a turn past its deadline when the next one comes, swept or not", async () => {
      await desk.create("a");
      const lost = await desk.reserved("a");
      desk.nowMs += 1_000;
      const next = await desk.reserved("a");
      expect(next.file).not.toEqual(lost.file);
      const conflict = { kind: "conflict", reason: "unknown_turn" };
      expect(await desk.report(lost, "abcd")).toEqual(conflict);
      expect(await desk.abort(lost)).toBe(false);
    });

    it("opens a new file for each reservation where objects cannot grow", async () => {
      await desk.create("a");
      const first = await desk.reserved("a", { newFile: { canGrow: false } });
      await desk.report(first, "abcd");
      const second = await desk.reserved("a", { newFile: { canGrow: false } });
      expect(second.file).not.toEqual(first.file);
    });

    it("moves on to another location in a new file, and leaves the old one for good", async () => {
      await desk.create("a");
      const first = await desk.store("a", "abcd");
      const second = await desk.reserved("a", { newFile: { location: "tmpfs" } });
      expect(second).toMatchObject({ fromBytes: 0, file: { location: "tmpfs" } });
      await desk.report(second, "abcd");
      const third = await desk.reserved("a");
      expect(third.file).not.toEqual(first.file);
    });

    it("charges a reservation at full length, and then what was committed", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a", { parts: [4, 6] });
      expect(await desk.bytes()).toBe(10 * TOKEN_BYTES);
      await desk.report(turn, "abcdef");
      expect(await desk.bytes()).toBe(6 * TOKEN_BYTES);
      await desk.settle(turn, 0);
      await desk.settle(turn, 1, UNVERIFIED);
      expect(await desk.bytes()).toBe(4 * TOKEN_BYTES);
    });

    it("refuses one byte more than the quota, and takes nothing for it", async () => {
      await desk.create("a");
      const quota = { ...PLENTY, bytes: 79 };
      const refused = await desk.reserve("a", { parts: [8], quota });
      expect(refused).toEqual({ kind: "refused", reason: "quota_bytes" });
      expect(await desk.bytes()).toBe(0);
      const exact = await desk.reserve("a", { parts: [8], quota: { ...PLENTY, bytes: 80 } });
      expect(exact).toMatchObject({ kind: "reserved" });
    });

    it("refuses what the location has no room for, with sparse reservations counted", async () => {
      await desk.create("a");
      await desk.create("b");
      const newFile = { limits: { capacityBytes: 1_000, freeFloorBytes: 20 }, freeBytes: 100 };
      expect(await desk.reserve("a", { newFile })).toMatchObject({ kind: "reserved" });
      const refused = { kind: "refused", reason: "no_space" };
      expect(await desk.reserve("b", { newFile, parts: [5] })).toEqual(refused);
      expect(await desk.reserve("b", { newFile })).toMatchObject({ kind: "reserved" });
      const books = { bookedBytes: 80, unwrittenBytes: 80 };
      expect(await catalog.locationUsage("disk")).toMatchObject(books);
    });

    it("takes no file name that is there already", async () => {
      await desk.create("a");
      await desk.create("b");
      const { file } = await desk.reserved("a");
      const refused = { kind: "refused", reason: "file_exists" };
      expect(await desk.reserve("b", { newFile: { name: file.name } })).toEqual(refused);
    });

    it("refuses to list what is gone, so that the caller matches again", async () => {
      await desk.create("a");
      const { turn, file } = await desk.store("a", "abcd");
      const listed = [segmentId(turn, 0)];
      await catalog.condemn({ segment: segmentId(turn, 0), file });
      const refused = { kind: "refused", reason: "stale_match" };
      expect(await desk.reserve("a", { listed, tokenStart: 4 })).toEqual(refused);
    });

    it("lists no segment of another tenant", async () => {
      await desk.create("a");
      await desk.create("other/a");
      const { turn } = await desk.store("a", "abcd");
      const refused = { kind: "refused", reason: "stale_match" };
      expect(await desk.reserve("other/a", { listed: [segmentId(turn, 0)] })).toEqual(refused);
    });

    it("reserves nothing for a session that does not exist", async () => {
      expect(await desk.reserve("a")).toEqual({ kind: "refused", reason: "no_session" });
    });

    it("gives 32 concurrent branches ranges that never meet", async () => {
      await desk.create("a");
      const turns = await Promise.all(
        Array.from({ length: 32 }, () => desk.reserved("a", { whenBusy: "branch" })),
      );
      const places = turns.map(({ file, fromBytes }) => `${file.name}@${fromBytes}`);
      expect(new Set(places).size).toBe(32);
    });
  });
}
