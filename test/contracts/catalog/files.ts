import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { key, type KvDesk, QUARANTINE_MS, STAT } from "../../support/kv-desk.ts";

export function describeFiles(opened: () => KvDesk): void {
  describe("files", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      for (const name of ["a", "b"]) await desk.create(name);
    });

    it("are recorded as they were made, until a segment settles in them", async () => {
      const reservation = await desk.reserved("a");
      const { file } = reservation;
      const madeStat = { ...STAT, content: "as it was made" };
      await catalog.made(file, madeStat);
      expect((await catalog.file(file))?.stat).toEqual(madeStat);
      await desk.report(reservation, "text");
      await desk.settle(reservation);
      await catalog.made(file, madeStat);
      expect((await catalog.file(file))?.stat).toEqual(STAT);
      await catalog.made({ location: "disk", name: "unknown" as ObjectName }, madeStat);
    });

    it("that are postponed come after all others, and not before their time", async () => {
      const [first, second] = [await desk.store("a", "text"), await desk.store("b", "more")];
      for (const name of ["a", "b"]) await catalog.end(key(name), desk.nowMs);
      desk.nowMs += QUARANTINE_MS + 2_000;
      const { nowMs } = desk;
      expect((await desk.sweep(1)).unlinkable).toEqual([first.file]);
      await catalog.postpone({ files: [first.file], nowMs, quarantineMs: QUARANTINE_MS });
      expect((await desk.sweep()).unlinkable).toEqual([second.file]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([second.file, first.file]);
    });

    it("are met once each, in pages, and so are the segments in one by where they end", async () => {
      const first = await desk.store("a", "text");
      const later = await desk.store("a", "text and more", 4);
      const other = await desk.store("b", "more");
      expect(later.file).toEqual(first.file);
      const [page] = await catalog.files({ after: undefined, limit: 1 });
      expect(page).toMatchObject(first.file);
      const rest = await catalog.files({ after: page, limit: 10 });
      expect(rest).toMatchObject([other.file]);
      const ids = (await catalog.segmentsIn(first.file, 10)).map(({ id }) => id);
      expect(ids).toEqual([segmentId(later.turn, 0), segmentId(first.turn, 0)]);
      expect(await catalog.segmentsIn(first.file, 1)).toHaveLength(1);
    });
  });
}
