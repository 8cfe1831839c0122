import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { PREFIX_READERS_LIMIT, PREFIXES_CONSULTED_LIMIT } from "../../../src/kv/holders.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { key, type KvDesk, PLENTY, ranges } from "../../support/kv-desk.ts";

const paper = { tenant: "t", name: "paper" };

/** More than two rules drop at once. */
const MANY = 270;

export function describePrefixes(opened: () => KvDesk): void {
  describe("prefixes", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a");
      await desk.create("other/b");
      await desk.create("third/c");
    });

    /** Of everything that the session "a" lists. */
    async function created(to: "everyone" | readonly string[] = [], name = "paper") {
      const ids = (await catalog.segments(key("a"))).map(({ id }) => id);
      expect(await desk.createPrefix(`t/${name}`, ids, { to })).toMatchObject({ kind: "created" });
    }

    const matched = async (name: string) => (await desk.match(name, "abcdefgh!")).tokens;

    async function storedBy(name: string): Promise<SegmentId> {
      await desk.create(name);
      const { turn } = await desk.store(name, name.padStart(8, "0"));
      return segmentId(turn, 0);
    }

    it("is gone at once when it lists much, though what it listed is dropped in parts", async () => {
      const ids = await Promise.all(Array.from({ length: MANY }, (_, n) => storedBy(`many-${n}`)));
      const name = { tenant: "t", name: "much" };
      await desk.createPrefix("t/much", ids, { to: ["other"] });
      await desk.create("other/reader");
      expect(await desk.visible("other", ids[0] as SegmentId)).toBeDefined();
      expect((await desk.match("other/reader", "00many-0!")).tokens).toBe(8);
      expect(await catalog.removePrefix(name, desk.nowMs)).toBe(true);
      expect(await catalog.prefix(name)).toBeUndefined();
      expect(await catalog.prefixSegments(name)).toEqual([]);
      expect(await desk.visible("other", ids[0] as SegmentId)).toBeUndefined();
      expect(await desk.match("other/reader", "00many-0!")).toMatchObject({ segments: [] });
      expect(await catalog.tenantUsage("t")).toMatchObject({ pins: 0 });
      expect(await catalog.segment(ids[0] as SegmentId)).toMatchObject({ refs: 2 });
      expect(await catalog.audit()).toEqual([]);
      // Whoever reads a new one of this name would find what is left of the old one.
      const fresh = ids.slice(0, 1);
      expect(await desk.createPrefix("t/much", fresh)).toMatchObject({ reason: "exists" });
      expect(await desk.sweep(7)).toMatchObject({ expiredPrefixes: 0, isFull: true });
      expect(await catalog.segment(ids[0] as SegmentId)).toMatchObject({ refs: 2 });
      await desk.sweep();
      expect(await catalog.segment(ids[0] as SegmentId)).toMatchObject({ refs: 1 });
      expect(await desk.createPrefix("t/much", fresh)).toMatchObject({ kind: "created" });
    });

    it("is found by the tenants that it is open to, and by no others", async () => {
      await desk.store("a", "abcdefgh");
      await created(["other"]);
      expect([await matched("other/b"), await matched("third/c")]).toEqual([8, 0]);
      await created("everyone", "manual");
      expect([await matched("other/b"), await matched("third/c")]).toEqual([8, 8]);
    });

    it("outlives the session that it was made from, until it is removed", async () => {
      await desk.store("a", "abcdefgh");
      await created();
      await catalog.end(key("a"), desk.nowMs);
      await desk.create("a");
      expect(await matched("a")).toBe(8);
      expect(ranges(await catalog.prefixSegments(paper))).toEqual([[0, 8]]);
      expect(await catalog.removePrefix(paper, desk.nowMs)).toBe(true);
      expect(await catalog.removePrefix(paper, desk.nowMs)).toBe(false);
      expect(await matched("a")).toBe(0);
      expect(await catalog.tenantUsage("t")).toMatchObject({ bytes: 0, pins: 0 });
    });

    it("is found nowhere from its expiry on, and swept", async () => {
      await desk.store("a", "abcdefgh");
      const [segment] = await catalog.segments(key("a"));
      if (segment === undefined) throw new Error("nothing stored");
      const expiresAtMs = desk.nowMs + 50;
      await desk.createPrefix("t/paper", [segment.id], { to: ["other"], expiresAtMs });
      desk.nowMs += 49;
      expect(await desk.sweep()).toMatchObject({ expiredPrefixes: 0 });
      expect(await desk.lease("other/b", [segment.id], desk.nowMs + 1)).toBe(true);
      desk.nowMs += 1;
      expect(await desk.prefixes("other")).toEqual([]);
      expect(await desk.lease("third/c", [segment.id], desk.nowMs + 1)).toBe(false);
      expect(await desk.sweep()).toMatchObject({ expiredPrefixes: 1 });
      expect(await catalog.prefix(paper)).toBeUndefined();
    });

    it("makes way for another of its name once it has expired, swept or not", async () => {
      await desk.store("a", "abcdefgh");
      const ids = (await catalog.segments(key("a"))).map(({ id }) => id);
      await desk.createPrefix("t/paper", ids, { expiresAtMs: desk.nowMs + 50 });
      const refused = { kind: "refused", reason: "exists" };
      expect(await desk.createPrefix("t/paper", ids)).toEqual(refused);
      desk.nowMs += 50;
      expect(await desk.createPrefix("t/paper", ids)).toMatchObject({ kind: "created" });
    });

    it("counts as a pin of its tenant", async () => {
      await desk.store("a", "abcd");
      await created();
      expect(await catalog.tenantUsage("t")).toMatchObject({ pins: 1 });
      const ids = (await catalog.segments(key("a"))).map(({ id }) => id);
      const quota = { ...PLENTY, pins: 1 };
      const refused = { kind: "refused", reason: "quota_pins" };
      expect(await desk.createPrefix("t/more", ids, { quota })).toEqual(refused);
      const pin = { session: key("a"), nowMs: desk.nowMs, untilMs: desk.nowMs + 10, quota };
      expect(await catalog.pin(pin)).toBe("quota_pins");
    });

    it("is made of what its tenant can see, and of nothing else", async () => {
      const { turn } = await desk.store("a", "abcd");
      const refused = { kind: "refused", reason: "no_segment" };
      const id = segmentId(turn, 0);
      expect(await desk.createPrefix("other/paper", [id])).toEqual(refused);
      expect(await desk.createPrefix("t/paper", [])).toEqual(refused);
      await created(["other"]);
      expect(await desk.createPrefix("other/paper", [id])).toMatchObject({ kind: "created" });
    });

    it("is consulted after the tenant's own, those that name it before those open to everyone, by age", async () => {
      await desk.store("a", "abcd");
      for (let n = 0; n < PREFIXES_CONSULTED_LIMIT; n++) {
        desk.nowMs += 1;
        await created(n < PREFIXES_CONSULTED_LIMIT / 2 ? "everyone" : ["other"], `p${n}`);
      }
      const read = async () => (await desk.prefixes("other")).map(({ name }) => name);
      const numbers = Array.from({ length: PREFIXES_CONSULTED_LIMIT }, (_, n) => `p${n}`);
      const [open, named] = [numbers.slice(0, 32), numbers.slice(32)];
      expect(await read()).toEqual([...named, ...open]);
      const [id] = (await catalog.segments(key("a"))).map((segment) => segment.id);
      if (id === undefined) throw new Error("nothing stored");
      await desk.createPrefix("other/own", [id], { to: "everyone" });
      expect(await read()).toEqual(["own", ...named, ...open.slice(0, -1)]);
    });

    it("leaves its place to others once it has expired, swept or not", async () => {
      await desk.store("a", "abcd");
      const ids = (await catalog.segments(key("a"))).map(({ id }) => id);
      const expiresAtMs = desk.nowMs + 50;
      for (let n = 0; n < 2 * PREFIXES_CONSULTED_LIMIT; n++) {
        await desk.createPrefix(`t/short${n}`, ids, { to: ["other"], expiresAtMs });
      }
      desk.nowMs += 1;
      await created(["other"]);
      expect(await desk.prefixes("other")).toHaveLength(PREFIXES_CONSULTED_LIMIT);
      desk.nowMs += 49;
      expect(await desk.prefixes("other")).toMatchObject([{ name: "paper" }]);
      expect(await desk.prefixes("t")).toMatchObject([{ name: "paper" }]);
    });

    it("is listed by its own tenant among all that it has, page by page", async () => {
      await desk.store("a", "abcd");
      for (const name of ["b", "a-", "a"]) await created("everyone", name);
      const page = async (tenant: string, after?: string) =>
        (await catalog.ownPrefixes({ tenant, after, limit: 2, nowMs: desk.nowMs })).map(
          ({ name }) => name,
        );
      expect([await page("t"), await page("t", "a"), await page("t", "a-")]).toEqual([
        ["a", "a-"],
        ["a-", "b"],
        ["b"],
      ]);
      expect(await page("other")).toEqual([]);
      await catalog.removePrefix({ tenant: "t", name: "a-" }, desk.nowMs);
      expect(await page("t")).toEqual(["a", "b"]);
    });

    it("is consulted by who trusts its owner, and by nobody else it is open to", async () => {
      desk.trusts.set("other", ["third"]).set("third", ["t"]);
      await desk.store("a", "abcdefgh");
      await created("everyone");
      await created(["other", "third"], "manual");
      const names = async (tenant: string) => (await desk.prefixes(tenant)).map(({ name }) => name);
      expect([await names("other"), await names("third")]).toEqual([[], ["manual", "paper"]]);
      expect([await matched("other/b"), await matched("third/c")]).toEqual([0, 8]);
      desk.trusts.set("other", ["other", "t"]);
      expect(await names("other")).toEqual(["manual", "paper"]);
    });

    it("is never pushed out by any number of others whose owner is not trusted", async () => {
      desk.trusts.set("other", ["t"]);
      await desk.create("third/c");
      await desk.store("third/c", "abcdefgh");
      const wrong = (await catalog.segments(key("third/c"))).map(({ id }) => id);
      for (let n = 0; n < PREFIXES_CONSULTED_LIMIT; n++) {
        await desk.createPrefix(`third/all${n}`, wrong, { to: "everyone" });
        await desk.createPrefix(`third/named${n}`, wrong, { to: ["other"] });
      }
      desk.nowMs += 1;
      await desk.store("a", "abcdefgh");
      await created(["other"]);
      const right = (await catalog.segments(key("a"))).map(({ id }) => id);
      const { segments } = await desk.match("other/b", "abcdefgh!");
      expect(segments.map(({ id }) => id)).toEqual(right);
    });

    it("is consulted once by its own tenant, whoever else may read it", async () => {
      await desk.store("a", "abcd");
      await created("everyone");
      await created(["t", "other"], "manual");
      const names = (await desk.prefixes("t")).map(({ name }) => name);
      expect(names).toEqual(["manual", "paper"]);
    });

    it("names no more readers than the limit, and has a name and a time to come", async () => {
      const readers = Array.from({ length: PREFIX_READERS_LIMIT + 1 }, (_, n) => `r${n}`);
      await expect(desk.createPrefix("t/p", [], { to: readers })).rejects.toThrow("256 or fewer");
      await expect(desk.createPrefix("t/", [])).rejects.toThrow("must not be empty");
      const late = { expiresAtMs: desk.nowMs };
      await expect(desk.createPrefix("t/p", [], late)).rejects.toThrow("must be after");
    });
  });
}
