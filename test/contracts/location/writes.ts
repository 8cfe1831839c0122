import { beforeEach, describe, expect, it } from "vitest";

import { isSameContent, type Location } from "../../../src/kv/location.ts";
import { collect, expectationOf, lent, patterned } from "../../support/bytes.ts";
import { faultOf, ok } from "../../support/location-results.ts";
import { a, failing, MIB, type OpenLocation, readWhole } from "./objects.ts";

export function describeWrites(opened: () => OpenLocation): void {
  describe("writeAt", () => {
    let location: Location;
    beforeEach(() => {
      location = opened().location;
    });

    it("fills a reservation, and is seen by stat", async () => {
      const bytes = patterned(3 * MIB + 7);
      const reserved = ok(await location.reserve(a, bytes.length));
      const expectation = expectationOf(bytes);
      const written = ok(
        await location.writeAt({ name: a, offset: 0, source: lent(bytes), expect: expectation }),
      );
      expect(written.sizeBytes).toBe(bytes.length);
      expect(isSameContent(reserved, written)).toBe(false);
      expect((await readWhole(location, a, bytes.length)).equals(bytes)).toBe(true);
    });

    it("makes no object: an unknown name is `not_found`", async () => {
      const write = { name: a, offset: 0, source: lent(patterned(8)) };
      const result = await location.writeAt({ ...write, expect: expectationOf(patterned(8)) });
      expect(faultOf(result)).toBe("not_found");
      expect(await location.stat(a)).toBeUndefined();
    });

    it("never writes outside of what was reserved", async () => {
      ok(await location.reserve(a, 100));
      const source = (): AsyncIterable<Uint8Array> => lent(patterned(8));
      const expectation = expectationOf(patterned(8));
      for (const offset of [93, 100, -1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER]) {
        const write = { name: a, offset, source: source(), expect: expectation };
        expect(faultOf(await location.writeAt(write)), String(offset)).toBe("out_of_range");
      }
      expect(ok(await location.stat(a))?.sizeBytes).toBe(100);
      expect(await readWhole(location, a, 100)).toEqual(Buffer.alloc(100));
    });

    it("answers `mismatch` for too few bytes, too many, or others", async () => {
      const bytes = patterned(200_000);
      const { crc } = expectationOf(bytes);
      ok(await location.reserve(a, 400_000));
      for (const expectation of [
        { bytes: 200_001, crc },
        { bytes: 199_999, crc },
        { bytes: 200_000, crc: crc ^ 1 },
      ]) {
        const write = { name: a, offset: 0, source: lent(bytes), expect: expectation };
        expect(faultOf(await location.writeAt(write))).toBe("mismatch");
      }
      expect(ok(await location.stat(a))?.sizeBytes).toBe(400_000);
    });

    it("never writes more than was announced", async () => {
      ok(await location.reserve(a, 200_000));
      const expectation = { bytes: 100_000, crc: 0 };
      const source = lent(patterned(200_000));
      const write = { name: a, offset: 0, source, expect: expectation };
      expect(faultOf(await location.writeAt(write))).toBe("mismatch");
      const after = await collect(location.read(a, [{ offset: 100_000, length: 100_000 }]));
      expect(after.equals(Buffer.alloc(100_000))).toBe(true);
    });

    it("throws on what the source throws", async () => {
      ok(await location.reserve(a, 100));
      const error = Object.assign(new Error("reset"), { code: "ECONNRESET", syscall: "read" });
      const source = failing(patterned(8), error);
      const write = { name: a, offset: 0, source, expect: { bytes: 100, crc: 0 } };
      await expect(location.writeAt(write)).rejects.toBe(error);
    });
  });
}
