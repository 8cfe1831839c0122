import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";

import type { Location } from "../../../src/kv/location.ts";
import type { Staged, StagedName, Staging } from "../../../src/kv/staging.ts";
import { expectationOf, patterned } from "../../support/bytes.ts";
import { faultOf, listAll, ok } from "../../support/location-results.ts";
import { a, b, MIB, type OpenLocation, put, readWhole } from "./objects.ts";

/** Of a location that has one. Engines are played by writing and reading in its folder. */
export function describeStaging(opened: () => OpenLocation): void {
  describe("staging", () => {
    const name = "save-1.slot" as StagedName;
    const bytes = patterned(2 * MIB + 5);
    let location: Location;
    let staging: Staging;
    beforeEach(() => {
      ({ location } = opened());
      if (location.staging === undefined) throw new Error("no staging");
      ({ staging } = location);
    });

    const at = (staged: StagedName): string => join(staging.path, staged);
    const save = (content: Uint8Array = bytes): Promise<void> => writeFile(at(name), content);
    async function saved(content: Uint8Array = bytes): Promise<Staged> {
      await save(content);
      return ok(await staging.examine(name));
    }

    it("is there from the start, empty, and neither an object nor foreign", async () => {
      expect(await readdir(staging.path)).toEqual([]);
      await save();
      expect(await listAll(location)).toEqual({ names: [], leftovers: [], foreign: [] });
    });

    it("says how long a saved file is, and its CRC", async () => {
      expect(await saved()).toMatchObject(expectationOf(bytes));
      expect(await saved(new Uint8Array())).toMatchObject({ bytes: 0, crc: 0 });
    });

    it("knows no file that nobody saved", async () => {
      expect(faultOf(await staging.examine(name))).toBe("not_found");
      expect(await staging.remove(name)).toBe(false);
      expect(faultOf(await staging.expose(a, name, expectationOf(bytes)))).toBe("not_found");
    });

    it("makes a saved file an object, under that name alone", async () => {
      const stat = ok(await staging.adopt(name, a, await saved()));
      expect(ok(await location.stat(a))).toEqual(stat);
      expect((await readWhole(location, a, bytes.length)).equals(bytes)).toBe(true);
      expect(await readdir(staging.path)).toEqual([]);
      expect(await listAll(location)).toEqual({ names: [a], leftovers: [], foreign: [] });
    });

    it("never replaces an object, and leaves the saved file", async () => {
      const old = patterned(1_000, 7);
      await put(location, a, old);
      expect(faultOf(await staging.adopt(name, a, await saved()))).toBe("exists");
      expect(await readWhole(location, a, 1_000)).toEqual(old);
      expect(await readdir(staging.path)).toEqual([name]);
    });

    it.each([
      ["longer", patterned(2 * MIB + 6)],
      ["shorter", patterned(2 * MIB + 4)],
      ["other", patterned(2 * MIB + 5, 9)],
    ])("makes no object of what is %s than when it was examined", async (_, content) => {
      const examined = await saved();
      await save(content);
      expect(faultOf(await staging.adopt(name, a, examined))).toBe("mismatch");
      expect(await location.stat(a)).toBeUndefined();
    });

    it("makes no object of what has gone since", async () => {
      const examined = await saved();
      expect(ok(await staging.remove(name))).toBe(true);
      expect(faultOf(await staging.adopt(name, a, examined))).toBe("not_found");
      expect(await location.stat(a)).toBeUndefined();
    });

    it("lends an object to a restore, which ends with the staged name alone", async () => {
      await put(location, a, bytes);
      ok(await staging.expose(a, name, expectationOf(bytes)));
      expect((await readFile(at(name))).equals(bytes)).toBe(true);
      expect(ok(await staging.remove(name))).toBe(true);
      expect(await staging.remove(name)).toBe(false);
      expect((await readWhole(location, a, bytes.length)).equals(bytes)).toBe(true);
    });

    it("lends an object under many names at once", async () => {
      await put(location, a, bytes);
      const names = Array.from({ length: 16 }, (_, n) => `restore-${n}.slot` as StagedName);
      const lent = names.map((each) => staging.expose(a, each, expectationOf(bytes)));
      for (const result of await Promise.all(lent)) ok(result);
      expect((await readdir(staging.path)).toSorted()).toEqual(names.toSorted());
    });

    it.each([
      ["another length", { bytes: bytes.length - 1, crc: expectationOf(bytes).crc }],
      ["other bytes", { bytes: bytes.length, crc: 1 }],
    ])("lends nothing that has %s than expected", async (_, expectation) => {
      await put(location, a, bytes);
      expect(faultOf(await staging.expose(a, name, expectation))).toBe("mismatch");
      expect(await readdir(staging.path)).toEqual([]);
    });

    it("lends nothing under a name that is taken", async () => {
      await put(location, a, bytes);
      await put(location, b, patterned(10));
      ok(await staging.expose(b, name, expectationOf(patterned(10))));
      expect(faultOf(await staging.expose(a, name, expectationOf(bytes)))).toBe("exists");
      expect(await readFile(at(name))).toEqual(patterned(10));
    });

    it("sweeps what has a staged name, whatever it is, and leaves what others put there", async () => {
      await save();
      await put(location, a, bytes);
      ok(await staging.expose(a, "restore.slot" as StagedName, expectationOf(bytes)));
      await writeFile(join(staging.path, "notes.txt"), "");
      const untilNowMs = -10 * 365 * 86_400_000_000; // whatever clock the location has
      expect(ok(await staging.sweep(untilNowMs))).toBe(2);
      expect(await readdir(staging.path)).toEqual(["notes.txt"]);
      expect((await readWhole(location, a, bytes.length)).equals(bytes)).toBe(true);
    });
  });
}
