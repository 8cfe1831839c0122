import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { type FileRef, type SegmentId, segmentId } from "../../../src/kv/records.ts";
import type { CopyRequest } from "../../../src/kv/space.ts";
import { condemn, key, type KvDesk, QUARANTINE_MS, STAT } from "../../support/kv-desk.ts";

const COPY: FileRef = { location: "disk", name: "copy-1" as ObjectName };
const AMPLE = { limits: { capacityBytes: 1_000, freeFloorBytes: 0 }, freeBytes: 1_000 };

export function describeCompactions(opened: () => KvDesk): void {
  describe("compactions", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    let ids: SegmentId[];
    let file: FileRef;

    /** "b" lists the first of three segments in a file, whose other two went with "a". */
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a");
      const turns = [];
      for (const end of [4, 8, 12]) {
        turns.push(await desk.store("a", "abcdefghijkl".slice(0, end), end - 4));
      }
      ids = turns.map(({ turn }) => segmentId(turn, 0));
      file = turns[0]?.file ?? COPY;
      await desk.create("b");
      await desk.lease("b", ids.slice(0, 1), desk.nowMs + 50);
    });

    const found = async () => catalog.compactable({ after: undefined, limit: 9 });

    function openCopy(changes: Partial<CopyRequest> = {}) {
      const segment = ids[0] as SegmentId;
      const { nowMs } = desk;
      const request = { segment, newFile: { ...COPY, ...AMPLE }, nowMs, deadlineMs: nowMs + 100 };
      return catalog.openCopy({ ...request, ...changes });
    }

    function move(changes: { readonly from?: FileRef; readonly to?: FileRef } = {}) {
      const request = { segment: ids[0] as SegmentId, from: file, to: COPY, stat: STAT };
      return catalog.moveSegment({ ...request, nowMs: desk.nowMs, ...changes });
    }

    it("finds a file when less than half of what was stored in it is left, and not at half", async () => {
      await desk.store("a", "abcdefghijkl1234", 12);
      await desk.lease("b", ids.slice(0, 2), desk.nowMs + 50);
      await catalog.end(key("a"), desk.nowMs);
      expect(await found()).toEqual([]);
      await condemn(catalog, ids[1] as SegmentId);
      expect(await found()).toMatchObject([{ file, segments: [{ id: ids[0] }] }]);
    });

    it("finds no file that somebody writes to", async () => {
      const turn = await desk.reserved("a", { tokenStart: 12 });
      expect(turn.file).toEqual(file);
      await condemn(catalog, ids[1] as SegmentId);
      await condemn(catalog, ids[2] as SegmentId);
      expect(await found()).toEqual([]);
      await desk.abort(turn);
      expect(await found()).toMatchObject([{ file }]);
    });

    it("finds no file in which nothing is left", async () => {
      await catalog.end(key("a"), desk.nowMs);
      await catalog.end(key("b"), desk.nowMs);
      expect(await found()).toEqual([]);
    });

    it("finds them in pages, each of them once", async () => {
      await catalog.end(key("a"), desk.nowMs);
      await desk.create("c");
      const second = await desk.store("c", "1234");
      await desk.store("c", "123456789", 4);
      await desk.lease("b", [segmentId(second.turn, 0)], desk.nowMs + 50);
      await catalog.end(key("c"), desk.nowMs);
      const [one] = await catalog.compactable({ after: undefined, limit: 1 });
      const [two, none] = await catalog.compactable({ after: one?.file, limit: 2 });
      expect([one?.file.name, two?.file.name]).toEqual([file.name, second.file.name]);
      expect(none).toBeUndefined();
    });

    it("books a copy before it is made", async () => {
      await catalog.end(key("a"), desk.nowMs);
      expect(await openCopy()).toBe("opened");
      expect(await catalog.file(COPY)).toMatchObject({ isSealed: true, highWaterBytes: 40 });
      expect(await catalog.locationUsage("disk")).toMatchObject({ bookedBytes: 160 });
    });

    it("opens no copy where there is none, no room, no name or no segment", async () => {
      const limits = { capacityBytes: 159, freeFloorBytes: 0 };
      expect(await openCopy({ newFile: { ...COPY, ...AMPLE, limits } })).toBe("no_space");
      expect(await openCopy({ newFile: { ...file, ...AMPLE } })).toBe("file_exists");
      await condemn(catalog, ids[0] as SegmentId);
      expect(await openCopy()).toBe("gone");
      expect(await catalog.file(COPY)).toBeUndefined();
    });

    it("moves a segment as it is, from its old file to the start of the copy", async () => {
      await catalog.end(key("a"), desk.nowMs);
      const before = await catalog.segment(ids[0] as SegmentId);
      await openCopy();
      expect(await move()).toBe(true);
      expect(await catalog.segment(ids[0] as SegmentId)).toEqual({
        ...before,
        file: COPY,
        kvStart: 0,
      });
      expect(await catalog.file(COPY)).toMatchObject({
        committedBytes: 40,
        referencedBytes: 40,
        stat: STAT,
      });
      expect(await found()).toEqual([]);
      expect((await desk.match("b", "abcd!")).segments).toMatchObject([{ file: COPY }]);
      expect(await catalog.tenantUsage("t")).toMatchObject({ bytes: 40 });
    });

    it("moves a segment from the middle of its file", async () => {
      await openCopy({ segment: ids[1] as SegmentId });
      const request = { segment: ids[1] as SegmentId, from: file, to: COPY, stat: STAT };
      expect(await catalog.moveSegment({ ...request, nowMs: desk.nowMs })).toBe(true);
      const moved = await catalog.segment(ids[1] as SegmentId);
      expect(moved).toMatchObject({ file: COPY, kvStart: 0, tokenStart: 4 });
      expect(await catalog.file(file)).toMatchObject({ referencedBytes: 80 });
    });

    it("gives the old file up a quarantine after the move, since somebody may still be told of it", async () => {
      desk.nowMs += 5_000;
      await catalog.end(key("a"), desk.nowMs);
      desk.nowMs += 1_000;
      await openCopy();
      await move();
      const pin = {
        session: key("b"),
        nowMs: desk.nowMs,
        quota: { bytes: 0, sessions: 0, pins: 1 },
      };
      await catalog.pin({ ...pin, untilMs: desk.nowMs + 2 * QUARANTINE_MS });
      desk.nowMs += QUARANTINE_MS - 1;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([file]);
    });

    it("gives up a copy that was never moved to, after its deadline", async () => {
      const pin = {
        session: key("b"),
        nowMs: desk.nowMs,
        quota: { bytes: 0, sessions: 0, pins: 1 },
      };
      await catalog.pin({ ...pin, untilMs: desk.nowMs + 2 * QUARANTINE_MS });
      await openCopy();
      desk.nowMs += 99 + QUARANTINE_MS;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([COPY]);
    });

    it("moves nothing once the copy's deadline has passed", async () => {
      await openCopy();
      desk.nowMs += 100;
      expect(await move()).toBe(false);
      desk.nowMs -= 1;
      expect(await move()).toBe(true);
    });

    it("moves nothing that has moved or gone, nor into what is no copy of it", async () => {
      await openCopy();
      expect(await move({ from: COPY })).toBe(false);
      expect(await move({ to: file })).toBe(false);
      expect(await move({ to: { ...COPY, name: "none" as ObjectName } })).toBe(false);
      await desk.create("c");
      const longer = await desk.store("c", "12345");
      const other = { segment: segmentId(longer.turn, 0), from: longer.file, to: COPY, stat: STAT };
      expect(await catalog.moveSegment({ ...other, nowMs: desk.nowMs })).toBe(false);
      expect(await move()).toBe(true);
      expect(await move()).toBe(false);
      await condemn(catalog, ids[0] as SegmentId);
      expect(await move({ from: COPY })).toBe(false);
    });

    it("moves nothing into a copy that held something else before, though it would fit", async () => {
      await openCopy();
      await move();
      await condemn(catalog, ids[0] as SegmentId);
      const other = { segment: ids[1] as SegmentId, from: file, to: COPY, stat: STAT };
      expect(await catalog.moveSegment({ ...other, nowMs: desk.nowMs })).toBe(false);
    });

    it("condemns a segment only where it was found damaged", async () => {
      await openCopy();
      await move();
      const segment = ids[0] as SegmentId;
      expect(await catalog.condemn({ segment, file })).toBe(false);
      expect(await catalog.condemn({ segment, file: COPY })).toBe(true);
      expect(await catalog.segment(segment)).toBeUndefined();
    });

    it("names the durable segments in order, from any point on, and each of them once", async () => {
      await desk.reserved("a", { tokenStart: 12 });
      const seen: SegmentId[] = [];
      for (;;) {
        const next = await catalog.nextSegment(seen.at(-1));
        if (next === undefined) break;
        seen.push(next.id);
      }
      expect(seen).toEqual(ids);
      await condemn(catalog, ids[1] as SegmentId);
      expect(await catalog.nextSegment(ids[1])).toMatchObject({ id: ids[2] });
    });

    it("keeps how far the scrubber is", async () => {
      expect(await catalog.scrubPosition()).toBeUndefined();
      await catalog.keepScrubPosition(ids[1]);
      expect(await catalog.scrubPosition()).toBe(ids[1]);
      expect(await catalog.audit()).toEqual([]);
      await catalog.keepScrubPosition(undefined);
      expect(await catalog.scrubPosition()).toBeUndefined();
    });
  });
}
