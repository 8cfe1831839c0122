import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { key, KvDesk, ranges } from "../../support/kv-desk.ts";

export function describeReports(opened: () => KvDesk): void {
  describe("reports", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    it("lists nothing before it is settled", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      expect((await desk.match("a", "abcd!")).segments).toEqual([]);
      await desk.report(turn, "abcd");
      expect((await desk.match("a", "abcd!")).segments).toEqual([]);
      expect(await catalog.segments(key("a"))).toEqual([]);
      await desk.settle(turn);
      expect(ranges((await desk.match("a", "abcd!")).segments)).toEqual([[0, 4]]);
    });

    it("takes one report for a turn", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      expect(await desk.report(turn, "abcd")).toMatchObject({ kind: "accepted" });
      const conflict = { kind: "conflict", reason: "already_reported" };
      expect(await desk.report(turn, "abcd")).toEqual(conflict);
    });

    it("takes a report until the last moment before the deadline", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      desk.nowMs += 999;
      expect(await desk.report(turn, "abcd")).toMatchObject({ kind: "accepted" });
    });

    it("takes a shorter segment than was reserved", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a", { parts: [8] });
      const outcome = await desk.report(turn, "abc");
      expect(outcome).toMatchObject({ pending: [{ tokenStart: 0, tokenLength: 3, bytes: 30 }] });
    });

    it("drops the second part when the first was reported short", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a", { parts: [4, 4] });
      const { segments } = await reportOf(turn, "abcdefgh");
      const short = segments.map((each, n) => (n === 0 ? { ...each, tokenLength: 3 } : each));
      const dropped = [{ segment: segmentId(turn.turn, 1), reason: "after_short_part" }];
      const outcome = await desk.report(turn, "abcdefgh", { segments: short });
      expect(outcome).toMatchObject({ pending: [{ tokenLength: 3 }], dropped });
    });

    it("ends a turn of which nothing was written, and goes on in the same file", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      const outcome = await desk.report(turn, "", { segments: [] });
      const dropped = [{ segment: segmentId(turn.turn, 0), reason: "omitted" }];
      expect(outcome).toEqual({ kind: "accepted", pending: [], dropped });
      expect(await catalog.turn(turn.turn)).toBeUndefined();
      expect(await desk.bytes()).toBe(0);
      expect(await desk.reserved("a")).toMatchObject({ file: turn.file, fromBytes: 40 });
    });

    it.each([
      ["longer_than_reserved", { tokenLength: 5 }],
      ["wrong_place", { kvStart: 10 }],
      ["wrong_place", { file: { location: "disk", name: "x" } }],
      ["wrong_length", { tokenLength: 0 }],
      ["wrong_length", { tokenLength: 1.5 }],
      ["wrong_length", { kvLength: 41 }],
    ])("drops a segment for %s, and leaves the file", async (reason, change) => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      const { segments } = await reportOf(turn, "abcd");
      const wrong = segments.map((each) => ({ ...each, ...change })) as typeof segments;
      expect(await desk.report(turn, "abcd", { segments: wrong })).toMatchObject({
        pending: [],
        dropped: [{ reason }],
      });
      expect((await desk.reserved("a")).file).not.toEqual(turn.file);
    });

    it.each([
      { what: "a shortened part", parts: [8], text: "abcdef", unusedBytes: 20 },
      { what: "a part that was left out", parts: [4, 6], text: "abcd", unusedBytes: 60 },
      { what: "a short part and the one after it", parts: [4, 6], text: "abc", unusedBytes: 70 },
      { what: "all of it", parts: [4], text: "", unusedBytes: 40 },
    ])("has no room booked for $what, but hands it out to nobody", async (reported) => {
      const { parts, text, unusedBytes } = reported;
      await desk.create("a");
      const turn = await desk.reserved("a", { parts });
      await desk.report(turn, text);
      const bookedBytes = turn.toBytes - unusedBytes;
      const unwrittenBytes = text === "" ? 0 : bookedBytes;
      const books = { bookedBytes, unwrittenBytes };
      expect(await catalog.locationUsage("disk")).toMatchObject(books);
      expect(await catalog.file(turn.file)).toMatchObject({ unusedBytes });
      if (text !== "") await desk.settle(turn);
      expect(await catalog.locationUsage("disk")).toMatchObject({ bookedBytes, unwrittenBytes: 0 });
      expect(await desk.reserved("a")).toMatchObject({ fromBytes: turn.toBytes });
    });

    it("keeps a part booked that was reported after a short one", async () => {
      await desk.create("a");
      const turn = await desk.reserved("a", { parts: [4, 4] });
      const { segments } = await reportOf(turn, "abcdefgh");
      const short = segments.map((each, n) => (n === 0 ? { ...each, tokenLength: 3 } : each));
      await desk.report(turn, "abcdefgh", { segments: short });
      expect(await catalog.locationUsage("disk")).toMatchObject({ bookedBytes: 70 });
    });

    it.each([
      ["wrong place", { kvStart: 10 }],
      ["part that it was not given", { tokenStart: 1 }],
    ])("keeps all booked where the engine reported a %s", async (_, change) => {
      await desk.create("a");
      const turn = await desk.reserved("a", { parts: [4, 4] });
      const { segments } = await reportOf(turn, "abcd");
      const wrong = segments.map((each) => ({ ...each, ...change }));
      await desk.report(turn, "abcd", { segments: wrong });
      expect(await catalog.locationUsage("disk")).toMatchObject({ bookedBytes: 80 });
    });

    it("has room again for what a reservation left unused", async () => {
      await desk.create("a");
      const newFile = { limits: { capacityBytes: 1_000, freeFloorBytes: 0 }, freeBytes: 1e9 };
      const turn = await desk.reserved("a", { newFile, parts: [96] });
      const refused = { kind: "refused", reason: "no_space" };
      const branch = { newFile, parts: [90], whenBusy: "branch" } as const;
      expect(await desk.reserve("a", branch)).toEqual(refused);
      await desk.report(turn, "abcd");
      expect(await desk.reserve("a", branch)).toMatchObject({ kind: "reserved" });
    });

    it.each([40, 20])("takes a kv_length of all ranks or of one: %i", async (kvLength) => {
      await desk.create("a");
      const turn = await desk.reserved("a");
      const { segments } = await reportOf(turn, "abcd");
      const told = segments.map((each) => ({ ...each, kvLength }));
      const outcome = await desk.report(turn, "abcd", { segments: told });
      expect(outcome).toMatchObject({ pending: [{ bytes: 40 }], dropped: [] });
    });

    /** What `desk.report` would send, taken from it by a catalog that only listens. */
    async function reportOf(turn: Parameters<KvDesk["report"]>[0], text: string) {
      const seen: Parameters<Catalog["report"]>[0][] = [];
      const listener = new KvDesk({
        ...catalog,
        report: async (request) => {
          seen.push(request);
          return { kind: "conflict", reason: "unknown_turn" };
        },
      });
      await listener.report(turn, text);
      const [request] = seen;
      if (request === undefined) throw new Error("nothing was reported");
      return request;
    }
  });
}
