import { beforeEach, describe, expect, it } from "vitest";

import { isSameContent, type Location } from "../../../src/kv/location.ts";
import { patterned } from "../../support/bytes.ts";
import { faultOf, ok } from "../../support/location-results.ts";
import { a, b, type OpenLocation, put, readWhole } from "./objects.ts";

export function describeStats(opened: () => OpenLocation): void {
  let location: Location;
  beforeEach(() => {
    location = opened().location;
  });

  describe("stat", () => {
    it("has nothing to say of what was never there", async () => {
      expect(await location.stat(a)).toBeUndefined();
    });

    it("tells the object before from another that took its name", async () => {
      const before = await put(location, a, patterned(100, 1));
      await location.removeIf(a, () => true);
      const after = await put(location, a, patterned(100, 2));
      expect(isSameContent(before, after)).toBe(false);
    });

    it("stays the same while nothing is written, read and synced or not", async () => {
      const before = await put(location, a, patterned(100));
      await readWhole(location, a, 100);
      ok(await location.sync(a));
      expect(ok(await location.stat(a))).toEqual(before);
    });
  });

  describe("sync", () => {
    it("answers with the object as it is now, and `not_found` where there is none", async () => {
      const stat = await put(location, a, patterned(100));
      expect(ok(await location.sync(a))).toEqual(stat);
      expect(faultOf(await location.sync(b))).toBe("not_found");
    });
  });
}
