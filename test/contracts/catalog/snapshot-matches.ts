import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { key, type KvDesk } from "../../support/kv-desk.ts";
import { GEOMETRY } from "../../support/kv-texts.ts";
import { replicaOf } from "../../support/kv-copies.ts";
import { matchSnapshot, save } from "../../support/kv-snapshots.ts";

export function describeSnapshotMatches(opened: () => KvDesk): void {
  describe("matches of snapshots", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      for (const name of ["a", "b", "other/c"]) await desk.create(name);
    });

    /** What is found: of which text, units and tokens in common. */
    async function found(name: string, text: string) {
      const match = await matchSnapshot(desk, { name, text });
      return match && [match.segment.id, match.commonUnits, match.commonTokens];
    }

    it("reuse all tokens, generated ones too, where the prompt goes on from the whole text", async () => {
      const { segment } = await save(desk, { name: "a", text: "abcdef" });
      expect(await found("a", "abcdefgh")).toEqual([segment, 6, 8]);
      expect(await found("a", "abcdef")).toEqual([segment, 6, 8]);
    });

    it("reuse a share of the session's own where the prompt leaves its text, to the grid step", async () => {
      const { segment } = await save(desk, { name: "a", text: "abcdefghij" });
      expect(await found("a", "abcdefgX")).toEqual([segment, 4, 4]);
      expect(await found("a", "abcdefgh")).toEqual([segment, 8, 9]);
      expect(await found("a", "abcdefghiX!")).toEqual([segment, 8, 9]);
      expect(await found("a", "abcX")).toBeUndefined();
      expect(await found("a", "")).toBeUndefined();
    });

    it("reuse one token at least", async () => {
      const of = { name: "a", text: "abcdefghijklmnop" };
      const { segment } = await save(desk, of, { tokens: 2 });
      expect(await found("a", "abcdX")).toEqual([segment, 4, 1]);
    });

    it("find what another session of the tenant saved, where the prompt goes on from all of it", async () => {
      const { segment } = await save(desk, { name: "b", text: "abcdef" });
      expect(await found("a", "abcdefgh")).toEqual([segment, 6, 8]);
      expect(await found("a", "abcdeX")).toBeUndefined();
      expect(await found("nobody", "abcdef")).toEqual([segment, 6, 8]);
      expect(await found("other/c", "abcdef")).toBeUndefined();
    });

    it("find what a prefix lists that is open to the tenant", async () => {
      const { segment } = await save(desk, { name: "a", text: "abcdef" });
      await desk.createPrefix("t/p", [segment], { to: ["other"] });
      expect(await found("other/c", "abcdefgh")).toEqual([segment, 6, 8]);
      await catalog.end(key("a"), desk.nowMs);
      expect(await found("b", "abcdefgh")).toEqual([segment, 6, 8]);
    });

    it("prefer most text in common, then the session's own, then the newest", async () => {
      const theirs = await save(desk, { name: "b", text: "abcdefgh" });
      const own = await save(desk, { name: "a", text: "abcdefghijkl" });
      expect(await found("a", "abcdefgh")).toEqual([own.segment, 8, 9]);
      expect(await found("b", "abcdefgh")).toEqual([theirs.segment, 8, 10]);
      expect(await found("b", "abcdefghijkl")).toEqual([own.segment, 12, 14]);
      await desk.create("late");
      desk.nowMs += 1;
      const newest = await save(desk, { name: "late", text: "abcdefgh" });
      await catalog.end(key("a"), desk.nowMs);
      await desk.create("none");
      expect(await found("none", "abcdefgh!")).toEqual([newest.segment, 8, 10]);
      desk.nowMs += 1;
      await desk.fork("b", "fork");
      expect(await found("none", "abcdefgh!")).toEqual([newest.segment, 8, 10]);
    });

    it("pass over what lies at no location that is there, for an equal one in reach", async () => {
      const far = await save(desk, { name: "a", text: "abcdefgh" });
      const near = await save(desk, { name: "b", text: "abcd" });
      await replicaOf(desk, near.segment, "tmpfs");
      desk.locations = new Set(["tmpfs"]);
      expect(await found("a", "abcdefgh")).toEqual([near.segment, 4, 6]);
      await replicaOf(desk, far.segment, "tmpfs");
      expect(await found("a", "abcdefgh")).toEqual([far.segment, 8, 10]);
      desk.locations = new Set();
      expect(await found("a", "abcdefgh")).toBeUndefined();
    });

    it("find nothing once it is condemned or its sessions have ended", async () => {
      const of = { name: "a", text: "abcdefgh" };
      const { segment, file } = await save(desk, of);
      expect(await catalog.condemn({ segment, file })).toBe(true);
      expect(await found("a", of.text)).toBeUndefined();
      await save(desk, of);
      await catalog.end(key("a"), desk.nowMs);
      expect(await found("b", of.text)).toBeUndefined();
    });

    it("never answer with a segment of another kind, nor others with a snapshot", async () => {
      await save(desk, { name: "a", text: "abcdefgh" });
      expect(await desk.match("a", "abcdefgh!")).toMatchObject({
        segments: [],
        limit: "nothing_stored",
      });
      await desk.store("b", "XbcdefghijX");
      expect(await found("b", "XbcdefghijX")).toBeUndefined();
      expect(
        await matchSnapshot(desk, { name: "b", text: "XbcdefghijX!" }, GEOMETRY),
      ).toBeUndefined();
      await desk.store("a", "abcd");
      expect(await desk.match("a", "abcdefgh!")).toMatchObject({
        tokens: 4,
        limit: "end_of_stored",
      });
    });

    it("never find what is of another geometry, though the session lists it", async () => {
      const other = new Uint8Array(33).fill(10);
      const of = { name: "a", text: "abcdefgh" };
      const { segment } = await save(desk, of, { geometry: other });
      expect(await found("a", of.text)).toBeUndefined();
      expect(await matchSnapshot(desk, of, other)).toMatchObject({ segment: { id: segment } });
    });

    it("pass over what is found elsewhere than where it ends", async () => {
      const forged = { ...(await textOf("abcdefgh")), units: 99 };
      await save(desk, { name: "b", text: "abcdefgh" }, { text: forged });
      expect(await found("a", "abcdefgh")).toBeUndefined();
    });

    async function textOf(text: string) {
      const { segment } = await save(desk, { name: "b", text });
      const known = (await catalog.segment(segment))?.snapshot;
      if (known === undefined) throw new Error("a snapshot has a text");
      return known;
    }
  });
}
