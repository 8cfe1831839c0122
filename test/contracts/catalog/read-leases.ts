import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import { key, type KvDesk, QUARANTINE_MS } from "../../support/kv-desk.ts";

export function describeReadLeases(opened: () => KvDesk): void {
  describe("read leases", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(async () => {
      desk = opened();
      catalog = desk.catalog;
      await desk.create("a");
    });

    it("keeps the file of a segment that is being read, until the quarantine after it", async () => {
      const { file, turn } = await desk.store("a", "abcd");
      const untilMs = desk.nowMs + 2 * QUARANTINE_MS;
      const leased = await catalog.leaseRead({ segment: segmentId(turn, 0), file, untilMs });
      expect(leased).toEqual(await catalog.segment(segmentId(turn, 0)));
      await catalog.end(key("a"), desk.nowMs);
      desk.nowMs = untilMs + QUARANTINE_MS - 1;
      expect((await desk.sweep()).unlinkable).toEqual([]);
      desk.nowMs += 1;
      expect((await desk.sweep()).unlinkable).toEqual([file]);
    });

    it("never shortens a lease", async () => {
      const { file, turn } = await desk.store("a", "abcd");
      const segment = segmentId(turn, 0);
      await catalog.leaseRead({ segment, file, untilMs: desk.nowMs + 2_000 });
      await catalog.leaseRead({ segment, file, untilMs: desk.nowMs + 1_000 });
      expect(await catalog.file(file)).toMatchObject({ leasedUntilMs: desk.nowMs + 2_000 });
    });

    it("is no use of the session and no read of a plan", async () => {
      const { turn, file } = await desk.store("a", "abcd");
      const before = await catalog.session(key("a"));
      desk.nowMs += 10;
      const segment = segmentId(turn, 0);
      await catalog.leaseRead({ segment, file, untilMs: desk.nowMs + 1_000 });
      expect(await catalog.session(key("a"))).toEqual(before);
      await desk.sweep();
      expect(await catalog.segment(segment)).toMatchObject({ timesRead: 0 });
    });

    it("is given for nothing that is not durable", async () => {
      const { turn, file } = await desk.reserved("a");
      const untilMs = desk.nowMs + 1_000;
      expect(
        await catalog.leaseRead({ segment: segmentId(turn, 0), file, untilMs }),
      ).toBeUndefined();
      expect(
        await catalog.leaseRead({ segment: "none.0" as SegmentId, file, untilMs }),
      ).toBeUndefined();
      expect(await catalog.file(file)).toMatchObject({ leasedUntilMs: 0 });
    });
  });
}
