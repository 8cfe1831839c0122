/** A root that is not the one that it was: nothing in it counts as lost, and nothing in it is taken for ours. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { LocationProfile, ObjectName, Tier } from "../../../src/kv/location.ts";
import { type DirectoryLocation, openDirectory } from "../../../src/kv/locations/directory.ts";
import type { DirectoryOptions } from "../../../src/kv/locations/directory.ts";
import { collect, expectationOf, lent, patterned } from "../../support/bytes.ts";
import { failingFs } from "../../support/failing-fs.ts";
import { faultOf, listAll, ok } from "../../support/location-results.ts";
import { OWN_ENTRIES } from "../../support/root-entries.ts";
import { CAPACITY_BYTES, createRoot, openAt } from "./roots.ts";

const name = "s-1" as ObjectName;
const bytes = patterned(1_000);

let root: Awaited<ReturnType<typeof createRoot>>;
let marker: string;

beforeEach(async () => {
  root = await createRoot();
  marker = join(root.path, ".moorline");
});
afterEach(() => root.remove());

function profileOf(id: string, tier: Tier = "disk"): LocationProfile {
  return { id, tier, weight: 1, capacityBytes: CAPACITY_BYTES, freeFloorBytes: 0 };
}

function textOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : "no fault";
}

async function opening(options: Partial<DirectoryOptions> = {}) {
  const opened = await openDirectory({
    profile: profileOf("test"),
    root: root.path,
    naming: "flat",
    uriPrefix: "file:///",
    isKnown: false,
    nowMs: () => Date.UTC(2026, 0, 2),
    draftId: randomUUID,
    ...options,
  });
  if (!(opened instanceof Error)) await opened.close();
  return opened;
}

describe("the marker", () => {
  it("is made by the first opening, names the location, and lets the next one in", async () => {
    ok(await opening());
    const text = await readFile(marker, "utf8");
    expect(JSON.parse(text)).toEqual({ location: "test", madeAt: "2026-01-02T00:00:00.000Z" });
    ok(await opening({ isKnown: true, nowMs: () => 0 }));
    expect(await readFile(marker, "utf8")).toBe(text);
  });

  it.each(["sharded", "flat"] as const)("is in no listing: %s", async (naming) => {
    const location = await openAt(root.path, { naming });
    await writeFile(`${marker}-d1`, ""); // what a crash leaves of making it
    expect(await listAll(location)).toEqual({ names: [], leftovers: [], foreign: [] });
    await location.close();
  });

  it("is missing where files should be: the disk is not mounted", async () => {
    const fault = await opening({ isKnown: true });
    expect(faultOf(fault)).toBe("not_found");
    expect(textOf(fault)).toContain(
      `root ${root.path} has no .moorline, and location test has files: is its disk mounted?`,
    );
    expect(await readdir(root.path)).toEqual([]);
  });

  it("of the memory tier is made again after a restart of the machine took it", async () => {
    const profile = profileOf("test", "memory");
    ok(await opening({ profile, isKnown: true }));
    expect(await readdir(root.path)).toEqual(OWN_ENTRIES);
  });

  it("of another location keeps this one out", async () => {
    ok(await opening());
    const fault = await opening({ profile: profileOf("other") });
    expect(faultOf(fault)).toBe("not_ours");
    expect(textOf(fault)).toContain("its .moorline names location test, not location other");
  });

  it.each(["", "{}", "null", '{"location":7}', `{"location":"test"}${" ".repeat(5_000)}`])(
    "that says nothing keeps everybody out: %#",
    async (text) => {
      await writeFile(marker, text);
      expect(faultOf(await opening())).toBe("not_ours");
      expect(await readFile(marker, "utf8")).toBe(text);
    },
  );

  it("that is a link is not followed", async () => {
    await writeFile(join(root.path, "notes"), '{"location":"test"}');
    await symlink(join(root.path, "notes"), marker);
    expect(faultOf(await opening())).toBe("not_ours");
  });

  it.each(["s-1", ".s-1.d1.part"])("is not made beside what could be ours: %s", async (entry) => {
    await writeFile(join(root.path, entry), "of somebody else");
    expect(faultOf(await opening())).toBe("not_ours");
    expect(await readdir(root.path)).toEqual([entry]);
  });

  it("is made beside what could not be ours", async () => {
    await mkdir(join(root.path, "lost+found"));
    ok(await opening());
    expect(await readdir(root.path)).toEqual([".moorline", "lost+found", "staging"]);
  });

  it("is whole or absent whichever call is the last before a crash, and the next opening is let in", async () => {
    for (let at = 1; ; at++) {
      const fs = failingFs({ at, mode: "crash" });
      const opened = await opening({ fs });
      ok(await opening());
      if (fs.trace.length < at) return expect(faultOf(opened)).toBeUndefined();
      for (const entry of await readdir(root.path)) {
        await rm(join(root.path, entry), { recursive: true });
      }
    }
  });
});

describe("a root that goes while it is in use", () => {
  let location: DirectoryLocation;

  beforeEach(async () => {
    location = await openAt(root.path, { naming: "flat" });
    ok(await location.put(name, lent(bytes), expectationOf(bytes)));
  });
  afterEach(() => location.close());

  /** Every way to ask for what is not there. */
  async function answers(): Promise<unknown[]> {
    const read = collect(location.read(name, [{ offset: 0, length: 1 }]));
    return [
      await read.catch((reason: unknown) => reason),
      await location.readInto(name, 0, new Uint8Array(1)),
      await location.stat(name),
      await location.sync(name),
      await location.extend(name, 1_000, 2_000),
      await location.removeIf(name, () => true),
      await location.list(undefined, 10),
    ];
  }

  it("has lost nothing: each answer is `io`", async () => {
    await rm(root.path, { recursive: true });
    const found = await answers();
    expect(found.map(faultOf)).toEqual(Array.from({ length: 7 }, () => "io"));
    expect(textOf(found[2])).toContain(`root ${root.path} is not there`);
    await mkdir(root.path);
  });

  it("takes nothing new either", async () => {
    await rm(root.path, { recursive: true });
    expect(faultOf(await location.reserve("s-2" as ObjectName, 10))).toBe("io");
    expect(
      faultOf(await location.put("s-2" as ObjectName, lent(bytes), expectationOf(bytes))),
    ).toBe("io");
    await mkdir(root.path);
  });

  it("is told from one that has lost an object", async () => {
    await rm(join(root.path, name));
    const [read, readInto, stat, sync, extend, removeIf] = await answers();
    expect([read, readInto, sync, extend].map(faultOf)).toEqual(
      Array.from({ length: 4 }, () => "not_found"),
    );
    expect([stat, removeIf]).toEqual([undefined, "absent"]);
  });

  it("is not there while another folder has its place", async () => {
    const { platform } = process;
    Object.defineProperty(process, "platform", { value: "darwin" }); // where the path itself is used
    const byPath = await openAt(root.path, { naming: "flat" });
    Object.defineProperty(process, "platform", { value: platform });
    await rename(root.path, `${root.path}-away`);
    await mkdir(root.path);
    await writeFile(marker, await readFile(join(`${root.path}-away`, ".moorline")));
    expect(faultOf(await byPath.stat(name))).toBe("io");
    await rm(root.path, { recursive: true });
    await rename(`${root.path}-away`, root.path);
    expect(faultOf(await byPath.stat(name))).toBeUndefined();
    await byPath.close();
  });
});
