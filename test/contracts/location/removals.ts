import { beforeEach, describe, expect, it } from "vitest";

import { isSameContent, type Location, type ObjectStat } from "../../../src/kv/location.ts";
import { patterned } from "../../support/bytes.ts";
import { a, b, type OpenLocation, put, readWhole } from "./objects.ts";

export function describeRemovals(opened: () => OpenLocation): void {
  let location: Location;
  beforeEach(() => {
    location = opened().location;
  });

  describe("removeIf", () => {
    it("removes what is the object that is meant, once", async () => {
      const stat = await put(location, a, patterned(100));
      const isIt = (found: ObjectStat): boolean => isSameContent(found, stat);
      expect(await location.removeIf(a, isIt)).toBe("removed");
      expect(await location.removeIf(a, isIt)).toBe("absent");
      expect(await location.stat(a)).toBeUndefined();
      await expect(readWhole(location, a, 1)).rejects.toMatchObject({ code: "not_found" });
    });

    it("leaves the other objects", async () => {
      await put(location, a, patterned(100));
      await put(location, b, patterned(200));
      await location.removeIf(a, () => true);
      expect(await readWhole(location, b, 200)).toEqual(patterned(200));
    });

    it("keeps another object that took the name", async () => {
      const before = await put(location, a, patterned(100, 1));
      await location.removeIf(a, () => true);
      await put(location, a, patterned(100, 2));
      const removal = await location.removeIf(a, (found) => isSameContent(found, before));
      expect(removal).toBe("kept");
      expect(await readWhole(location, a, 100)).toEqual(patterned(100, 2));
    });
  });
}
