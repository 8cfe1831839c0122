import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { CreatePrefixRequest, PrefixPosition } from "../../../src/kv/holders.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { condemn, key, type KvDesk, PLENTY, ranges, RETENTION } from "../../support/kv-desk.ts";

const DRAFT_MS = 60_000;
const LONG = { ...RETENTION, ttlMs: 3_600_000, maxAgeMs: 3_600_000, pinLimitMs: 3_600_000 };
/** More than one rule tells that they are worth less. */
const MANY = 130;

export function describeSteps(opened: () => KvDesk): void {
  describe("a prefix of much, step by step", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    let ids: readonly SegmentId[];
    let request: CreatePrefixRequest;
    const prefix = { tenant: "t", name: "paper" };
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a", { retention: LONG });
      await desk.create("other/b", { retention: LONG });
      for (const end of [4, 8, 12]) await desk.store("a", "abcdefghijkl".slice(0, end), end - 4);
      ids = (await catalog.segments(key("a"))).map(({ id }) => id);
      const expiresAtMs = desk.nowMs + 5 * DRAFT_MS;
      request = desk.prefixRequest("t/paper", ids, { to: ["other"], expiresAtMs, limit: 1 });
    });

    async function begun(): Promise<PrefixPosition> {
      const outcome = await catalog.createPrefix(request);
      if (outcome.kind === "begun") return outcome.rest;
      throw new Error(`not begun: ${outcome.kind}`);
    }

    async function expectNothingSeen(): Promise<void> {
      expect(await catalog.prefix(prefix)).toBeUndefined();
      expect(await catalog.prefixSegments(prefix)).toEqual([]);
      expect(await desk.prefixes("t")).toEqual([]);
      expect(await desk.prefixes("other")).toEqual([]);
      const page = { tenant: "t", after: undefined, limit: 9, nowMs: desk.nowMs };
      expect(await catalog.ownPrefixes(page)).toEqual([]);
      expect(await desk.visible("other", ids[0] as SegmentId)).toBeUndefined();
      expect((await desk.match("other/b", "abcdefghijkl!")).tokens).toBe(0);
    }

    it("is there for nobody before the last step, and then for all that it is open to", async () => {
      let after = await begun();
      await expectNothingSeen();
      expect(await catalog.audit()).toEqual([]);
      const next = await catalog.goOnPrefix({ ...request, after });
      if (next.kind !== "begun") throw new Error(`not begun: ${next.kind}`);
      await expectNothingSeen();
      after = next.rest;
      expect(await catalog.goOnPrefix({ ...request, after })).toMatchObject({
        kind: "created",
        prefix: { createdAtMs: desk.nowMs, expiresAtMs: request.expiresAtMs, segments: 3 },
      });
      expect((await desk.match("other/b", "abcdefghijkl!")).tokens).toBe(12);
      expect(ranges(await catalog.prefixSegments(prefix))).toEqual([
        [0, 4],
        [4, 4],
        [8, 4],
      ]);
    });

    it("has its name and its pin while it is made, and cannot be removed before it is there", async () => {
      await begun();
      expect(await catalog.createPrefix(request)).toEqual({ kind: "refused", reason: "exists" });
      expect(await catalog.removePrefix(prefix, desk.nowMs)).toBe(false);
      expect(await catalog.tenantUsage("t")).toMatchObject({ pins: 1 });
    });

    it("is swept when nobody goes on with it, and no late step brings it back", async () => {
      const after = await begun();
      desk.nowMs += DRAFT_MS - 1;
      expect(await desk.sweep()).toMatchObject({ expiredPrefixes: 0 });
      expect(await catalog.segment(ids[0] as SegmentId)).toMatchObject({ refs: 2 });
      desk.nowMs += 1;
      expect(await desk.sweep()).toMatchObject({ expiredPrefixes: 0 });
      expect(await catalog.segment(ids[0] as SegmentId)).toMatchObject({ refs: 1 });
      expect(await catalog.tenantUsage("t")).toMatchObject({ pins: 0 });
      const late = { kind: "refused", reason: "no_segment" };
      expect(await catalog.goOnPrefix({ ...request, after })).toEqual(late);
      const again = { ...request, nowMs: desk.nowMs };
      expect(await catalog.createPrefix(again)).toMatchObject({ kind: "begun" });
      expect(await catalog.goOnPrefix({ ...request, after })).toEqual(late);
    });

    it("leaves nothing where a segment goes before it is listed", async () => {
      const after = await begun();
      await condemn(catalog, ids[1] as SegmentId);
      const refused = { kind: "refused", reason: "no_segment" };
      expect(await catalog.goOnPrefix({ ...request, after })).toEqual(refused);
      await expectNothingSeen();
      expect(await catalog.segment(ids[0] as SegmentId)).toMatchObject({ refs: 1 });
      expect(await catalog.tenantUsage("t")).toMatchObject({ pins: 0 });
    });
  });

  describe("a session that lists much and is worth less", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    const evict = (bytes: number) => {
      const { nowMs, locations } = desk;
      const room = { location: "disk", bytes, priority: 500, locations, nowMs, limit: 1_000 };
      return catalog.evict(room);
    };
    const pin = (untilMs: number) =>
      catalog.pin({ session: key("a"), nowMs: desk.nowMs, untilMs, quota: PLENTY });

    /** Each in a file of its own, which the session "a" alone keeps: it is pinned. */
    async function listMany(): Promise<void> {
      await desk.create("a", { retention: { ...LONG, priority: 300 } });
      await pin(desk.nowMs + LONG.pinLimitMs);
      for (let n = 0; n < MANY; n++) {
        const turn = await desk.reserved("a", { whenBusy: "branch", parts: [4] });
        const branch = await desk.reserved("a", { whenBusy: "branch", parts: [4] });
        await desk.report(branch, String(n).padStart(4, "0"));
        await desk.settle(branch);
        await desk.abort(turn);
      }
      expect(await evict(1)).toMatchObject({ files: 0, isShort: true });
    }

    it("is not kept any more when its pin is lifted: first what it lists first, the rest by the sweep", async () => {
      await listMany();
      expect(await pin(0)).toBe("unpinned");
      expect(await catalog.tenantUsage("t")).toMatchObject({ pins: 0 });
      expect(await catalog.audit()).toEqual([]);
      expect(await desk.sweep(1)).toMatchObject({ lapsedPins: 0, isFull: true });
      expect(await catalog.audit()).toEqual([]);
      expect(await desk.sweep()).toMatchObject({ isFull: false });
      expect(await evict(40 * MANY)).toMatchObject({ files: MANY, isShort: false });
    });

    it("is not kept any more from the lapse of its pin on, a pass of the sweep after the other", async () => {
      await listMany();
      desk.nowMs += LONG.ttlMs - 1;
      await pin(desk.nowMs + 1);
      await desk.use("a");
      const retention = { ...LONG, maxAgeMs: 3 * LONG.ttlMs, priority: 300 };
      const { nowMs } = desk;
      await catalog.amend({ session: key("a"), retention, ttlMs: undefined, nowMs });
      desk.nowMs += 1;
      expect(await desk.sweep(4)).toMatchObject({ lapsedPins: 1, isFull: true });
      expect(await catalog.audit()).toEqual([]);
      expect(await evict(40)).toMatchObject({ files: 1, isShort: false });
      for (let pass = 0; pass < MANY / 3; pass++) await desk.sweep(4);
      expect(await evict(40 * (MANY - 1))).toMatchObject({ files: MANY - 1, isShort: false });
    });

    it("is worth what its class says when it is another, whoever looks in between", async () => {
      await listMany();
      await pin(0);
      const retention = { ...LONG, priority: 100 };
      const { nowMs } = desk;
      await catalog.amend({ session: key("a"), retention, ttlMs: undefined, nowMs });
      await pin(nowMs + LONG.pinLimitMs);
      expect(await evict(1)).toMatchObject({ files: 0, isShort: true });
      await desk.sweep();
      expect(await evict(1)).toMatchObject({ files: 0, isShort: true });
      expect(await catalog.audit()).toEqual([]);
      await pin(0);
      await catalog.end(key("a"), nowMs);
      expect(await catalog.audit()).toEqual([]);
      await desk.sweep();
      expect(await catalog.tenantUsage("t")).toMatchObject({ bytes: 0, sessions: 0 });
    });
  });

  describe("what an attachment added", () => {
    it("is told, and taken back without what the session had before", async () => {
      const desk = opened();
      const { catalog } = desk;
      for (const name of ["a", "b"]) await desk.create(name);
      const ids: SegmentId[] = [];
      for (const end of [4, 8, 12]) {
        const { turn } = await desk.store("a", "abcdefghijkl".slice(0, end), end - 4);
        ids.push(segmentId(turn, 0));
      }
      const [first, second, third] = ids as [SegmentId, SegmentId, SegmentId];
      expect(await desk.attach("b", [first])).toMatchObject({ added: [first] });
      expect(await desk.attach("b", ids)).toMatchObject({ added: [second, third] });
      await condemn(catalog, third);
      await desk.sweep();
      await catalog.detach({ session: key("b"), segments: [second, third] });
      expect(ranges(await catalog.segments(key("b")))).toEqual([[0, 4]]);
      expect(await catalog.segment(second)).toMatchObject({ refs: 1 });
      await catalog.detach({ session: key("nobody"), segments: [first] });
      expect(await catalog.segment(first)).toMatchObject({ refs: 2 });
    });
  });
}
