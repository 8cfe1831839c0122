import { beforeEach, describe, expect, it } from "vitest";

import type { Location } from "../../../src/kv/location.ts";
import { collect, patterned } from "../../support/bytes.ts";
import { faultOf, ok } from "../../support/location-results.ts";
import { a, b, MIB, type OpenLocation, put, readWhole } from "./objects.ts";

export function describeReads(opened: () => OpenLocation): void {
  let location: Location;
  beforeEach(() => {
    location = opened().location;
  });

  describe("read", () => {
    const size = 3 * MIB + 5;
    const bytes = patterned(size);

    it.each([
      ["all", 0, size],
      ["the first byte", 0, 1],
      ["the last byte", size - 1, 1],
      ["a chunk and one byte", 3, MIB + 1],
      ["two chunks less one byte", MIB - 1, 2 * MIB - 1],
      ["nothing", size, 0],
    ])("gives %s, to the byte", async (_, offset, length) => {
      await put(location, a, bytes);
      const got = await collect(location.read(a, [{ offset, length }]));
      expect(got.equals(bytes.subarray(offset, offset + length))).toBe(true);
    });

    it("gives many ranges one after the other, in the order asked for", async () => {
      await put(location, a, bytes);
      const ranges = Array.from({ length: 72 }, (_, n) => ({
        offset: 40_000 * (71 - n),
        length: 32_768 - n,
      }));
      const wanted = ranges.map(({ offset, length }) => bytes.subarray(offset, offset + length));
      const got = await collect(location.read(a, ranges));
      expect(got.equals(Buffer.concat(wanted))).toBe(true);
    });

    it("lends chunks of at most 1 MiB, each good until the next is asked for", async () => {
      await put(location, a, bytes);
      let at = 0;
      for await (const chunk of location.read(a, [{ offset: 0, length: size }])) {
        expect(chunk.length).toBeLessThanOrEqual(MIB);
        ok(await location.stat(a)); // time enough for whatever is read ahead
        expect(bytes.subarray(at, at + chunk.length).every((byte, n) => byte === chunk[n])).toBe(
          true,
        );
        at += chunk.length;
      }
      expect(at).toBe(size);
    });

    it("tells how the object looks before it gives the first byte of it", async () => {
      await put(location, a, bytes);
      const before = ok(await location.stat(a));
      const told: unknown[] = [];
      const ranges = [{ offset: 0, length: size }];
      for await (const chunk of location.read(a, ranges, (stat) => told.push(stat))) {
        expect(chunk.length).toBeGreaterThan(0);
        expect(told).toEqual([before]);
      }
      expect(told).toHaveLength(1);
    });

    it("frees everything when the consumer leaves early, and reads again", async () => {
      await put(location, a, bytes);
      for (let n = 0; n < 50; n++) {
        for await (const chunk of location.read(a, [{ offset: 0, length: size }])) {
          expect(chunk.length).toBeGreaterThan(0);
          break;
        }
      }
      expect((await readWhole(location, a, size)).equals(bytes)).toBe(true);
    });

    it.each([
      ["past the end", size - 1, 2],
      ["from past the end", size + 1, 0],
      ["from before the start", -1, 2],
      ["of a negative length", 10, -1],
      ["of half a byte", 0.5, 1],
      ["beyond what numbers can say", Number.MAX_SAFE_INTEGER, 2],
    ])("throws `out_of_range` for a range %s", async (_, offset, length) => {
      await put(location, a, bytes);
      const reading = collect(
        location.read(a, [
          { offset: 0, length: 1 },
          { offset, length },
        ]),
      );
      await expect(reading).rejects.toMatchObject({ code: "out_of_range" });
    });

    it("throws `not_found` for an unknown name", async () => {
      await expect(readWhole(location, a, 1)).rejects.toMatchObject({ code: "not_found" });
    });
  });

  describe("readInto", () => {
    it("fills the target from the offset on", async () => {
      const bytes = patterned(200_000);
      await put(location, a, bytes);
      const target = new Uint8Array(100_001);
      expect(await location.readInto(a, 99_999, target)).toBeUndefined();
      expect(target).toEqual(new Uint8Array(bytes.subarray(99_999)));
    });

    it("answers `out_of_range` where the object has too few bytes, `not_found` where it is not", async () => {
      await put(location, a, patterned(100));
      expect(faultOf(await location.readInto(a, 91, new Uint8Array(10)))).toBe("out_of_range");
      expect(faultOf(await location.readInto(b, 0, new Uint8Array(1)))).toBe("not_found");
    });
  });
}
