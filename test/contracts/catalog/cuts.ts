import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog, Reservation } from "../../../src/kv/catalog.ts";
import type { CutPart, OpenCutRequest, SettleCutRequest } from "../../../src/kv/cuts.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { type FileRef, segmentId } from "../../../src/kv/records.ts";
import { key, type KvDesk, LOAD_ALL, QUARANTINE_MS, ranges, STAT } from "../../support/kv-desk.ts";
import { chainOf, placeOf, promptOf } from "../../support/kv-texts.ts";

const ONE: FileRef = { location: "disk", name: "cut-1" as ObjectName };
const TWO: FileRef = { location: "disk", name: "cut-2" as ObjectName };
const LIMITS = { capacityBytes: 1_000, freeFloorBytes: 0 };

export function describeCuts(opened: () => KvDesk): void {
  describe("cuts", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    let turn: Reservation;

    /** An engine has written 12 tokens. Where they end in "abcdefgh", nobody knows but of the first 3 and 7. */
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a");
      turn = await desk.reserved("a", { parts: [12] });
      await desk.report(turn, "abcdefgh....");
    });

    function openCut(file: FileRef, changes: Partial<OpenCutRequest> = {}) {
      const newFile = { ...file, limits: LIMITS, freeBytes: 1_000 };
      const { nowMs } = desk;
      const times = { nowMs, deadlineMs: nowMs + 100 };
      return catalog.openCut({
        segment: segmentId(turn.turn, 0),
        bytes: 30,
        newFile,
        ...times,
        ...changes,
      });
    }

    const first: CutPart = partOf("abcde", { start: 0, tokenLength: 3, file: ONE });
    const second: CutPart = partOf("abcdefgh", { start: 5, tokenLength: 4, file: TWO });

    function settleCut(changes: Partial<SettleCutRequest> = {}) {
      const segment = segmentId(turn.turn, 0);
      const { nowMs, locations } = desk;
      return catalog.settleCut({ segment, nowMs, locations, parts: [first, second], ...changes });
    }

    async function matchText(text: string, ends: readonly number[]) {
      const prompt = {
        ...promptOf(["t"], text),
        tokens: 100,
        isEnd: (at: number) => ends.includes(at),
      };
      const { locations } = desk;
      return catalog.match({ session: key("a"), prompt, rules: LOAD_ALL, locations });
    }

    it("lists parts in place of what was written, each from the start of its own object", async () => {
      expect(await openCut(ONE)).toBe("opened");
      expect(await openCut(TWO, { bytes: 40 })).toBe("opened");
      expect((await settleCut())?.map(({ outcome }) => outcome.kind)).toEqual([
        "durable",
        "durable",
      ]);
      const ids = [segmentId(turn.turn, 0), segmentId(turn.turn, 1)];
      expect(await catalog.segments(key("a"))).toMatchObject([
        { id: ids[0], tokenStart: 0, tokenLength: 3, kvStart: 0, file: ONE, bytes: 30, crc: 7 },
        { id: ids[1], tokenStart: 3, tokenLength: 4, kvStart: 0, file: TWO, bytes: 40, crc: 7 },
      ]);
      expect(await desk.bytes()).toBe(70);
      expect(await catalog.turn(turn.turn)).toBeUndefined();
      expect(await catalog.session(key("a"))).toMatchObject({ turns: [], leasedBy: undefined });
    });

    it("finds parts where a text may be cut, however many tokens are before it, and nowhere else", async () => {
      await openCut(ONE);
      await openCut(TWO, { bytes: 40 });
      await settleCut();
      const text = "abcdefgh<s>";
      expect(ranges((await matchText(text, [5, 8])).segments)).toEqual([
        [0, 3],
        [3, 4],
      ]);
      expect(ranges((await matchText(text, [5])).segments)).toEqual([[0, 3]]);
      expect((await matchText(text, [8])).limit).toBe("gap");
      expect((await matchText(text, [])).segments).toEqual([]);
      expect((await matchText("abcdX<s>", [5, 8])).segments).toEqual([]);
    });

    it("gives up the file that was written, which nobody is given", async () => {
      await openCut(ONE);
      await settleCut({ parts: [first] });
      expect(await catalog.file(turn.file)).toMatchObject({ isSealed: true, committedBytes: 0 });
      expect((await desk.reserved("a")).file).not.toEqual(turn.file);
      desk.nowMs += QUARANTINE_MS;
      expect((await desk.sweep()).unlinkable).toContainEqual(turn.file);
    });

    it("lists an equal part that the tenant has, and leaves the copy to the sweep", async () => {
      await openCut(ONE);
      await settleCut({ parts: [first] });
      const before = segmentId(turn.turn, 0);
      turn = await desk.reserved("a", { parts: [12] });
      await desk.report(turn, "abcdefgh....");
      await openCut(TWO);
      const again = { ...first, file: TWO };
      expect(await settleCut({ parts: [again] })).toMatchObject([
        { outcome: { kind: "duplicate", of: before } },
      ]);
      desk.nowMs += QUARANTINE_MS + 100;
      expect((await desk.sweep()).unlinkable).toContainEqual(TWO);
    });

    it("opens no copy where there is no room, no name or nothing that was reported", async () => {
      const small = { ...ONE, limits: { ...LIMITS, capacityBytes: 149 }, freeBytes: 1_000 };
      expect(await openCut(ONE, { newFile: small })).toBe("no_space");
      expect(await openCut(turn.file)).toBe("file_exists");
      await desk.settle(turn);
      expect(await openCut(ONE)).toBe("gone");
    });

    it("lists nothing of a copy that was not opened, is of another size, or came too late", async () => {
      expect(await settleCut({ parts: [first] })).toBeUndefined();
      await openCut(ONE, { bytes: 20 });
      expect(await settleCut({ parts: [first] })).toBeUndefined();
      await openCut(TWO, { bytes: 30 });
      const copied = { ...first, file: TWO };
      desk.nowMs += 100;
      expect(await settleCut({ parts: [copied] })).toBeUndefined();
      desk.nowMs -= 1;
      expect(await settleCut({ parts: [copied] })).toHaveLength(1);
    });

    it("lists nothing of a turn that is over", async () => {
      await openCut(ONE);
      await desk.abort(turn);
      expect(await settleCut({ parts: [first] })).toBeUndefined();
      expect(await catalog.segments(key("a"))).toEqual([]);
    });

    it("cuts no more out of a segment than it has", async () => {
      await openCut(ONE);
      const longer = { ...second, tokenLength: 10 };
      await expect(settleCut({ parts: [first, longer] })).rejects.toThrow(
        "cannot be cut to 3 + 10",
      );
      await expect(settleCut({ parts: [] })).rejects.toThrow("cannot be cut");
    });
  });
}

interface Part {
  readonly start: number;
  readonly tokenLength: number;
  readonly file: FileRef;
}

function partOf(text: string, { start, tokenLength, file }: Part): CutPart {
  const chain = chainOf(text, start);
  return { tokenLength, chain, place: placeOf("t", text), crc: 7, file, stat: STAT };
}
