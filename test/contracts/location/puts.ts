import { beforeEach, describe, expect, it } from "vitest";

import { LocationFault, type Location } from "../../../src/kv/location.ts";
import { expectationOf, lent, patterned } from "../../support/bytes.ts";
import { faultOf, listAll, ok } from "../../support/location-results.ts";
import { a, b, failing, MIB, type OpenLocation, put, readWhole } from "./objects.ts";

export function describePuts(opened: () => OpenLocation): void {
  describe("put", () => {
    let location: Location;
    beforeEach(() => {
      location = opened().location;
    });

    it("makes a whole object, as large as its bytes", async () => {
      const bytes = patterned(2 * MIB + 3);
      const stat = await put(location, a, bytes);
      expect(stat.sizeBytes).toBe(bytes.length);
      expect(ok(await location.stat(a))).toEqual(stat);
      expect((await readWhole(location, a, bytes.length)).equals(bytes)).toBe(true);
    });

    it("copies what is read from another object, chunk by lent chunk", async () => {
      const bytes = patterned(3 * MIB + 1);
      await put(location, a, bytes);
      const source = location.read(a, [{ offset: 0, length: bytes.length }]);
      ok(await location.put(b, source, expectationOf(bytes)));
      expect((await readWhole(location, b, bytes.length)).equals(bytes)).toBe(true);
    });

    it("makes an empty object of no bytes", async () => {
      expect((await put(location, a, new Uint8Array())).sizeBytes).toBe(0);
    });

    it("never replaces an object", async () => {
      const bytes = patterned(1_000, 1);
      await put(location, a, bytes);
      const other = patterned(1_000, 2);
      const result = await location.put(a, lent(other), expectationOf(other));
      expect(faultOf(result)).toBe("exists");
      expect(await readWhole(location, a, 1_000)).toEqual(bytes);
    });

    it("lets one of 16 concurrent puts have the name, whole", async () => {
      const versions = Array.from({ length: 16 }, (_, n) => patterned(300_000, n + 1));
      const results = await Promise.all(
        versions.map((bytes) => location.put(a, lent(bytes), expectationOf(bytes))),
      );
      const winners = versions.filter((_, n) => !(results[n] instanceof LocationFault));
      expect(winners).toHaveLength(1);
      expect(await readWhole(location, a, 300_000)).toEqual(winners[0]);
      expect(await listAll(location)).toEqual({ names: [a], leftovers: [], foreign: [] });
    });

    it.each([
      ["too few bytes", 1, 0],
      ["too many bytes", -1, 0],
      ["other bytes", 0, 1],
    ])("leaves nothing of %s, and the name free", async (_, lengthError, crcError) => {
      const bytes = patterned(200_000);
      const { crc } = expectationOf(bytes);
      const wrong = { bytes: bytes.length + lengthError, crc: crc ^ crcError };
      expect(faultOf(await location.put(a, lent(bytes), wrong))).toBe("mismatch");
      expect(await listAll(location)).toEqual({ names: [], leftovers: [], foreign: [] });
      await put(location, a, bytes);
      expect((await readWhole(location, a, bytes.length)).equals(bytes)).toBe(true);
    });

    it("leaves nothing of a source that fails, and throws on what it threw", async () => {
      const error = new Error("the peer has gone");
      const source = failing(patterned(100_000), error);
      await expect(location.put(a, source, { bytes: 200_000, crc: 0 })).rejects.toBe(error);
      expect(await listAll(location)).toEqual({ names: [], leftovers: [], foreign: [] });
    });

    it("answers `no_space` for what exceeds the capacity, before it asks for a byte", async () => {
      let asked = 0;
      const source = {
        async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
          asked++;
          yield new Uint8Array(1);
        },
      };
      const tooMuch = { bytes: opened().capacityBytes + 1, crc: 0 };
      expect(faultOf(await location.put(a, source, tooMuch))).toBe("no_space");
      expect(asked).toBe(0);
    });
  });
}
