import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { FileRef } from "../../../src/kv/records.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { type EvictRequest } from "../../../src/kv/space.ts";
import { key, type KvDesk, PLENTY, ranges, RETENTION } from "../../support/kv-desk.ts";

const HOUR_MS = 3_600_000;
const LONG = { ...RETENTION, ttlMs: 100 * HOUR_MS, maxAgeMs: 1_000 * HOUR_MS };

export function describeEvictions(opened: () => KvDesk): void {
  describe("evictions", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    /** A session of a priority, with one segment of four tokens in a file of its own. */
    async function stored(name: string, priority: number): Promise<FileRef> {
      await desk.create(name, { retention: { ...LONG, priority } });
      return (await desk.store(name, name.padEnd(4, "-").slice(-4))).file;
    }

    function evict(changes: Partial<EvictRequest> = {}) {
      const { nowMs, locations } = desk;
      const request = { location: "disk", bytes: 1, priority: 500, locations, nowMs, limit: 100 };
      return catalog.evict({ ...request, ...changes });
    }

    async function left(...files: readonly FileRef[]): Promise<readonly boolean[]> {
      const are: boolean[] = [];
      for (const file of files) are.push(((await catalog.file(file))?.referencedBytes ?? 0) > 0);
      return are;
    }

    it("drops whole files until there is enough, and no more", async () => {
      const files = [await stored("a", 500), await stored("b", 500), await stored("c", 500)];
      const report = await evict({ bytes: 41 });
      expect(report).toEqual({
        expiredSessions: 0,
        files: 2,
        segments: 2,
        copies: 0,
        bytes: 80,
        isShort: false,
        isFull: false,
      });
      expect((await left(...files)).filter(Boolean)).toHaveLength(1);
      expect(await catalog.locationUsage("disk")).toEqual({
        location: "disk",
        bookedBytes: 120,
        unwrittenBytes: 0,
        referencedBytes: 40,
        replicas: 0,
        replicaBytes: 0,
        idleBytes: 80,
      });
    });

    it("takes the lowest priority first, however often that was read", async () => {
      const dear = await stored("dear", 300);
      desk.nowMs += 9 * HOUR_MS;
      const cheap = await stored("cheap", 200);
      await evict();
      expect(await left(dear, cheap)).toEqual([true, false]);
    });

    it("takes what was read longest ago first, among equals", async () => {
      const [first, second] = [await stored("a", 500), await stored("b", 500)];
      desk.nowMs += HOUR_MS;
      const found = (await desk.match("a", "a---!")).segments.map(({ id }) => id);
      await desk.lease("a", found, desk.nowMs + 1);
      await evict();
      expect(await left(first, second)).toEqual([true, false]);
    });

    it("counts a read by its age: many old ones are worth less than one of now", async () => {
      const old = await stored("old", 500);
      const found = (await desk.match("old", "-old!")).segments.map(({ id }) => id);
      for (let read = 0; read < 7; read++) await desk.lease("old", found, desk.nowMs + 1);
      desk.nowMs += 4 * HOUR_MS;
      const young = await stored("young", 500);
      await evict();
      expect(await left(old, young)).toEqual([false, true]);
    });

    it("takes the larger of two files that were read alike", async () => {
      const small = await stored("small", 500);
      await desk.create("large", { retention: { ...LONG, priority: 500 } });
      const { file: large } = await desk.store("large", "a text of some length");
      await evict();
      expect(await left(small, large)).toEqual([true, false]);
    });

    it("takes a priority that equals the request's, and none above it", async () => {
      const file = await stored("a", 500);
      expect(await evict({ priority: 499 })).toMatchObject({ files: 0, isShort: true });
      expect(await left(file)).toEqual([true]);
      expect(await evict({ priority: 500 })).toMatchObject({ files: 1, isShort: false });
    });

    it("goes by the priority that a session was given last", async () => {
      const file = await stored("a", 900);
      expect(await evict()).toMatchObject({ files: 0, isShort: true });
      const retention = { ...LONG, priority: 500 };
      const { nowMs } = desk;
      await catalog.amend({ session: key("a"), retention, ttlMs: undefined, nowMs });
      expect(await evict()).toMatchObject({ files: 1, isShort: false });
      expect(await left(file)).toEqual([false]);
    });

    it("never takes what a prefix lists", async () => {
      await desk.create("a");
      const { turn } = await desk.store("a", "abcd");
      await desk.createPrefix("t/paper", [segmentId(turn, 0)]);
      await catalog.end(key("a"), desk.nowMs);
      expect(await evict({ priority: 1_000 })).toMatchObject({ files: 0, isShort: true });
      await catalog.removePrefix({ tenant: "t", name: "paper" }, desk.nowMs);
      expect(await catalog.locationUsage("disk")).toMatchObject({ idleBytes: 40 });
    });

    it("keeps a file for the dearest session that lists anything in it, and as long as it does", async () => {
      await stored("cheap", 100);
      const { file, turn } = await desk.store("cheap", "heap and more", 4);
      await desk.create("dear", { retention: { ...LONG, priority: 900 } });
      await desk.lease("dear", [segmentId(turn, 0)], desk.nowMs + 1);
      expect(await evict()).toMatchObject({ files: 0, segments: 0, isShort: true });
      expect(await evict()).toMatchObject({ files: 0, segments: 0, isShort: true });
      await catalog.end(key("dear"), desk.nowMs);
      expect(await evict()).toMatchObject({ files: 1, segments: 2, isShort: false });
      expect(await left(file)).toEqual([false]);
    });

    it("never takes what a pinned session lists, and takes it when the pin is lifted", async () => {
      const file = await stored("a", 0);
      const pin = { session: key("a"), nowMs: desk.nowMs, quota: PLENTY };
      await catalog.pin({ ...pin, untilMs: desk.nowMs + HOUR_MS });
      expect(await evict({ priority: 1_000 })).toMatchObject({ files: 0, isShort: true });
      expect(await left(file)).toEqual([true]);
      await catalog.pin({ ...pin, untilMs: 0 });
      expect(await evict({ priority: 1_000 })).toMatchObject({ files: 1, isShort: false });
    });

    it("takes what a session lists again when its pin has lapsed", async () => {
      await stored("a", 0);
      const untilMs = desk.nowMs + HOUR_MS;
      await catalog.pin({ session: key("a"), nowMs: desk.nowMs, quota: PLENTY, untilMs });
      expect(await evict()).toMatchObject({ files: 0 });
      desk.nowMs = untilMs - 1;
      expect(await evict()).toMatchObject({ files: 0 });
      desk.nowMs = untilMs;
      expect(await evict()).toMatchObject({ files: 1, expiredSessions: 0 });
    });

    it("never takes what a shared prefix lists, as long as there is one", async () => {
      await desk.create("a", { retention: LONG });
      const { turn } = await desk.store("a", "abcd");
      await desk.createPrefix("t/paper", [segmentId(turn, 0)]);
      expect(await evict({ priority: 1_000 })).toMatchObject({ files: 0, isShort: true });
      await catalog.removePrefix({ tenant: "t", name: "paper" }, desk.nowMs);
      expect(await evict({ priority: 1_000 })).toMatchObject({ files: 1, isShort: false });
    });

    it("never takes a file that somebody writes to", async () => {
      const file = await stored("a", 0);
      const turn = await desk.reserved("a", { tokenStart: 4 });
      expect(turn.file).toEqual(file);
      expect(await evict()).toMatchObject({ files: 0, isShort: true });
      await desk.abort(turn);
      expect(await evict()).toMatchObject({ files: 1, bytes: 80 });
    });

    it("ends what has expired first, and that may be enough", async () => {
      const living = await stored("living", 0);
      await desk.create("dead", { retention: { ...RETENTION, priority: 1_000 } });
      const { file: dead } = await desk.store("dead", "dead");
      desk.nowMs += RETENTION.ttlMs;
      const report = await evict();
      expect(report).toMatchObject({ expiredSessions: 1, files: 0, bytes: 40, isShort: false });
      expect(await left(living, dead)).toEqual([true, false]);
    });

    it("counts no bytes of what expired while somebody else lists it", async () => {
      await desk.create("dead");
      await desk.store("dead", "dead");
      await stored("living", 900);
      const found = (await desk.match("living", "dead!")).segments.map(({ id }) => id);
      await desk.lease("living", found, desk.nowMs + 1);
      desk.nowMs += RETENTION.ttlMs;
      expect(await evict()).toMatchObject({ expiredSessions: 1, bytes: 0, isShort: true });
    });

    it("frees what a file is booked for: not what its engine left unused in it", async () => {
      await desk.create("a", { retention: LONG });
      const turn = await desk.reserved("a", { parts: [10] });
      await desk.report(turn, "abcd");
      await desk.settle(turn);
      expect(await evict()).toMatchObject({ files: 1, bytes: 40 });
    });

    it("seals what it takes, so that the session goes on in a new file", async () => {
      const file = await stored("a", 500);
      await evict();
      expect(await catalog.file(file)).toMatchObject({ isSealed: true });
      expect(await catalog.session(key("a"))).toMatchObject({ file: undefined, segments: 0 });
      expect((await desk.reserved("a")).file).not.toEqual(file);
    });

    it("leaves a prefix when its limit cuts it short, and goes on with the same file", async () => {
      await desk.create("a", { retention: LONG });
      for (const end of [4, 8, 12]) await desk.store("a", "abcdefghijkl".slice(0, end), end - 4);
      await stored("b", 500);
      expect(await evict({ limit: 3 })).toMatchObject({ files: 0, segments: 2, isFull: true });
      expect(ranges((await desk.match("a", "abcdefghijkl!")).segments)).toEqual([[0, 4]]);
      expect(await evict()).toMatchObject({ files: 1, segments: 1, isFull: false });
      expect(await desk.bytes()).toBe(40);
    });

    it("gets through everything in small steps, whatever must be kept before it", async () => {
      for (const name of ["a", "b", "c"]) {
        await stored(name, 0);
        const untilMs = desk.nowMs + HOUR_MS;
        await catalog.pin({ session: key(name), nowMs: desk.nowMs, quota: PLENTY, untilMs });
      }
      await stored("d", 500);
      let freed = 0;
      for (let pass = 0; pass < 10; pass++) freed += (await evict({ limit: 1 })).bytes;
      expect(freed).toBe(40);
    });

    it("takes nothing from another location", async () => {
      await desk.create("a", { retention: LONG });
      const turn = await desk.reserved("a", { newFile: { location: "dis" } });
      await desk.report(turn, "abcd");
      await desk.settle(turn);
      expect(await evict()).toMatchObject({ files: 0, isShort: true });
      expect(await left(turn.file)).toEqual([true]);
      expect(await evict({ location: "dis" })).toMatchObject({ files: 1, bytes: 40 });
    });

    it("says what each location holds", async () => {
      await stored("a", 500);
      await desk.reserved("a", { newFile: { location: "other" } });
      const one = { segments: 1, bytes: 40 };
      const none = { unwrittenBytes: 0, replicas: 0, replicaBytes: 0, idleBytes: 0 };
      const sums = { ...none, bookedBytes: 40, referencedBytes: 40 };
      expect(await catalog.totals()).toEqual({
        locations: [
          { location: "disk", ...sums },
          { location: "other", ...sums, unwrittenBytes: 40, referencedBytes: 0 },
        ],
        segments: [
          { location: "disk", state: "durable", retentionClass: RETENTION.name, ...one },
          { location: "other", state: "reserved", retentionClass: RETENTION.name, ...one },
        ],
      });
    });
  });
}
