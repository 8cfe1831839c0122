import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { key, type KvDesk, QUARANTINE_MS, ranges } from "../../support/kv-desk.ts";

export function describeMatches(opened: () => KvDesk): void {
  describe("matches", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

    it("covers a prompt with whole segments from 0, on the grid and off it", async () => {
      await desk.create("a");
      await desk.store("a", "abcd");
      await desk.store("a", "abcdefg", 4);
      await desk.store("a", "abcdefghij", 7);
      const match = await desk.match("a", "abcdefghij!");
      expect(ranges(match.segments)).toEqual([
        [0, 4],
        [4, 3],
        [7, 3],
      ]);
      expect(match).toMatchObject({ tokens: 10, limit: "end_of_stored" });
    });

    it("keeps the whole segments before an edit, and says that the session diverged", async () => {
      await desk.create("a");
      await desk.store("a", "abcd");
      await desk.store("a", "abcdefgh", 4);
      const match = await desk.match("a", "abcdeXgh!");
      expect(ranges(match.segments)).toEqual([[0, 4]]);
      expect(match.limit).toBe("diverged");
      await desk.store("a", "abcdeXgh", 4);
      expect(await desk.match("a", "abcdeXgh!")).toMatchObject({ tokens: 8 });
      expect(await desk.match("a", "abcdefgh!")).toMatchObject({ tokens: 8 });
    });

    it("finds ends at and around every anchor of a long prompt", async () => {
      await desk.create("a");
      const whole = Array.from({ length: 800 }, (_, at) => String.fromCharCode(97 + (at % 26)));
      const ends = [3, 252, 255, 256, 257, 511, 512, 516, 767, 768, 800];
      let start = 0;
      for (const end of ends) {
        await desk.store("a", whole.slice(0, end).join(""), start);
        start = end;
      }
      const matched = async (length: number) =>
        (await desk.match("a", `${whole.slice(0, length).join("")}!`)).tokens;
      expect(await Promise.all(ends.map(matched))).toEqual(ends);
      expect(await Promise.all(ends.map((end) => matched(end - 1)))).toEqual([
        0,
        ...ends.slice(0, -1),
      ]);
    });

    it("finds each of several segments that end at one place until it is gone", async () => {
      for (const name of ["a", "b"]) await desk.create(name);
      await desk.store("a", "abcd");
      await desk.store("a", "abcdefgh", 4);
      await desk.store("b", "abcdefgh");
      expect(ranges((await desk.match("a", "abcdefgh!")).segments)).toEqual([[0, 8]]);
      await catalog.end(key("b"), desk.nowMs);
      expect(ranges((await desk.match("a", "abcdefgh!")).segments)).toEqual([
        [0, 4],
        [4, 4],
      ]);
    });

    it("asks for no end that is past the prompt", async () => {
      await desk.create("a");
      await desk.store("a", "abcdefg");
      expect(await desk.match("a", "abcdef")).toMatchObject({ tokens: 0, limit: "diverged" });
    });

    it("passes over what is found elsewhere than where it ends, on the grid and off it", async () => {
      for (const name of ["a", "b"]) await desk.create(name);
      for (const text of ["abcdefgh", "abcdefghij"]) {
        await desk.storeForged("b", text);
        const prompt = `${text}!`;
        expect(await desk.match("a", prompt)).toMatchObject({ tokens: 0, limit: "nothing_stored" });
        expect(await desk.match("b", prompt)).toMatchObject({ tokens: 0, limit: "diverged" });
      }
    });

    it("finds what ends where something else is said to, from another anchor or at another step", async () => {
      for (const name of ["a", "b"]) await desk.create(name);
      await desk.storeForged("b", "abcdefgh", { anchorKey: new Uint8Array(32) });
      await desk.storeForged("b", "abcdefghijkl", { offset: 4 });
      await desk.store("a", "abcdefgh");
      await desk.store("a", "abcdefghijkl", 8);
      expect(await desk.match("a", "abcdefghijkl!")).toMatchObject({ tokens: 12 });
    });

    it("serves what another session of the tenant has stored", async () => {
      await desk.create("a");
      await desk.create("b");
      await desk.store("a", "abcdef");
      expect(await desk.match("b", "abcdef!")).toMatchObject({ tokens: 6 });
    });

    it("says why it covers no more", async () => {
      await desk.create("a");
      expect((await desk.match("a", "abcd!")).limit).toBe("nothing_stored");
      const first = await desk.store("a", "abcd");
      await desk.store("a", "abcdefgh", 4);
      const limit = async (prompt: string, pageSize: number, loadThreshold: number) =>
        (await desk.match("a", prompt, { pageSize, loadThreshold })).limit;
      expect(await limit("abcdefgh", 1, 0)).toBe("at_prompt_end");
      expect(await limit("abcdefgh!", 1, 8)).toBe("below_threshold");
      expect(await limit("abcdefgh!", 8, 0)).toBe("off_page");
      await catalog.condemn({ segment: segmentId(first.turn, 0), file: first.file });
      expect(await limit("abcdefgh!", 1, 0)).toBe("gap");
    });

    it("keeps the file of what is leased from going until then", async () => {
      await desk.create("a");
      await desk.create("b");
      const { turn, file } = await desk.store("a", "abcd");
      const segments = [segmentId(turn, 0)];
      const untilMs = desk.nowMs + 2 * QUARANTINE_MS;
      expect(await desk.lease("b", segments, untilMs)).toBe(true);
      for (const name of ["a", "b"]) await catalog.end(key(name), desk.nowMs);
      await desk.create("b");
      expect(await desk.lease("b", segments, untilMs)).toBe(false);
      desk.nowMs = untilMs + QUARANTINE_MS - 1;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([file]);
    });

    it("leases what a turn lists for as long as the turn may last", async () => {
      await desk.create("a");
      const first = await desk.store("a", "abcd");
      const listed = [segmentId(first.turn, 0)];
      await desk.reserved("a", { listed, tokenStart: 4, deadlineMs: desk.nowMs + 77 });
      expect(await catalog.file(first.file)).toMatchObject({ leasedUntilMs: desk.nowMs + 77 });
    });
  });
}
