import { beforeEach, describe, expect, it } from "vitest";

import { type Location, LocationFault } from "../../../src/kv/location.ts";
import { collect, expectationOf, lent, patterned } from "../../support/bytes.ts";
import { faultOf, ok } from "../../support/location-results.ts";
import { a, MIB, type OpenLocation, put, readWhole } from "./objects.ts";

export function describeReservations(opened: () => OpenLocation): void {
  describe("reserve", () => {
    let location: Location;
    beforeEach(() => {
      location = opened().location;
    });

    it("makes an object that is there at its full size", async () => {
      const reserved = ok(await location.reserve(a, 5 * MIB + 1));
      expect(reserved.sizeBytes).toBe(5 * MIB + 1);
      expect(ok(await location.stat(a))).toEqual(reserved);
    });

    it("answers `exists` for a name that is taken, and leaves what has it", async () => {
      const bytes = patterned(1_000);
      await put(location, a, bytes);
      expect(faultOf(await location.reserve(a, 10))).toBe("exists");
      expect(await readWhole(location, a, 1_000)).toEqual(bytes);
    });

    it("gives one of 64 concurrent callers the name", async () => {
      const results = await Promise.all(
        Array.from({ length: 64 }, (_, n) => location.reserve(a, 1_000 + n)),
      );
      const winners = results.filter((result) => !(result instanceof LocationFault));
      expect(winners).toHaveLength(1);
      expect(ok(await location.stat(a))).toEqual(winners[0]);
    });

    it("answers `no_space` for what exceeds the capacity, and makes nothing", async () => {
      expect(faultOf(await location.reserve(a, opened().capacityBytes + 1))).toBe("no_space");
      expect(await location.stat(a)).toBeUndefined();
    });
  });
}

/** For locations whose objects grow: a session's reservations follow one another in one object, and are filled in any order. */
export function describeExtensions(opened: () => OpenLocation): void {
  describe("extend", () => {
    let location: Location;
    beforeEach(() => {
      location = opened().location;
    });

    const extend = (from: number, to: number): Promise<LocationFault | undefined> =>
      location.extend?.(a, from, to) ?? expect.fail("cannot extend");

    it("grows an object from its size on, and keeps its bytes", async () => {
      const bytes = patterned(1_000);
      const before = ok(await location.put(a, lent(bytes), expectationOf(bytes)));
      ok(await extend(1_000, 5_000));
      expect(ok(await location.stat(a))).toMatchObject({
        sizeBytes: 5_000,
        identity: before.identity,
      });
      const read = await collect(location.read(a, [{ offset: 0, length: 5_000 }]));
      expect(read).toEqual(Buffer.concat([bytes, Buffer.alloc(4_000)]));
    });

    it("changes nothing from another size than it has, nor downwards", async () => {
      ok(await location.reserve(a, 1_000));
      for (const [from, to] of [
        [999, 2_000],
        [1_001, 2_000],
        [1_000, 999],
      ] as const) {
        expect(faultOf(await extend(from, to))).toBe("mismatch");
      }
      expect(ok(await location.stat(a))?.sizeBytes).toBe(1_000);
    });

    it("makes no object", async () => {
      expect(faultOf(await extend(0, 10))).toBe("not_found");
      expect(await location.stat(a)).toBeUndefined();
    });

    it("leaves what is around a write in the middle as it was", async () => {
      ok(await location.reserve(a, 1_000));
      ok(await extend(1_000, 3_000));
      const bytes = patterned(500);
      const write = { name: a, offset: 1_250, source: lent(bytes), expect: expectationOf(bytes) };
      ok(await location.writeAt(write));
      const read = await collect(location.read(a, [{ offset: 0, length: 3_000 }]));
      expect(read).toEqual(Buffer.concat([Buffer.alloc(1_250), bytes, Buffer.alloc(1_250)]));
    });
  });
}
