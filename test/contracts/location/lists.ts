import { beforeEach, describe, expect, it } from "vitest";

import type { LeftoverId, Location, ObjectName } from "../../../src/kv/location.ts";
import { listAll, ok } from "../../support/location-results.ts";
import type { OpenLocation } from "./objects.ts";

export function describeLists(opened: () => OpenLocation): void {
  describe("list", () => {
    let location: Location;
    beforeEach(() => {
      location = opened().location;
    });

    const names = Array.from({ length: 25 }, (_, n) => `s-${n}` as ObjectName);

    it("has one empty page for an empty location", async () => {
      const page = ok(await location.list(undefined, 10));
      expect(page).toEqual({ objects: [], leftovers: [], foreign: [], next: undefined });
    });

    it("gives each object once, in pages of the limit, with its stat", async () => {
      for (const name of names) ok(await location.reserve(name, 10));
      const first = ok(await location.list(undefined, 7));
      expect(first.objects).toHaveLength(7);
      const stats = await Promise.all(first.objects.map(({ name }) => location.stat(name)));
      expect(first.objects.map(({ stat }) => stat)).toEqual(stats);
      expect((await listAll(location, 7)).names).toEqual(names.toSorted());
      expect((await listAll(location, 25)).names).toEqual(names.toSorted());
    });

    it("misses no object that stays while others are removed under the cursor", async () => {
      for (const name of names) ok(await location.reserve(name, 10));
      const seen: ObjectName[] = [];
      let cursor: string | undefined;
      do {
        const page = ok(await location.list(cursor, 4));
        seen.push(...page.objects.map(({ name }) => name));
        for (const { name } of page.objects) await location.removeIf(name, () => true);
        cursor = page.next;
      } while (cursor !== undefined);
      expect(seen.toSorted()).toEqual(names.toSorted());
    });

    it("knows no leftover by a name that it has not given", async () => {
      expect(await location.discard("../../etc/passwd" as LeftoverId)).toBe(false);
    });
  });
}
