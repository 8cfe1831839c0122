import {
  copyFile,
  mkdir,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";

import { tenantKey } from "../../../src/kv/catalog/keys.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { check, type CheckOptions } from "../../../src/kv/upkeep/check.ts";
import { BenchCopier } from "../../support/bench-copier.ts";
import { saveOnDisk } from "../../support/bench-snapshots.ts";
import { failingFs } from "../../support/failing-fs.ts";
import { session, TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { end, filesOf } from "./keeper-stand.ts";

const REPAIR = { orphanAgeMs: 60_000 };
const NOW_MS = Date.UTC(2100, 0);

describe.each(CATALOGS)("a check of the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** `a` has two segments in one file, and `b` one in its own. */
  async function stored(options: Parameters<Benches["open"]>[0] = {}): Promise<TurnBench> {
    const bench = await benches.open(options);
    for (const id of ["a", "b"]) await bench.create(id);
    await bench.turn("a", "one ", "two ");
    await bench.turn("a", "one two three ", "four ");
    await bench.turn("b", "another ", "story");
    return bench;
  }

  async function findings(bench: TurnBench, options: Partial<CheckOptions> = {}) {
    const { catalog, locations } = bench;
    const found: string[] = [];
    const base = { catalog, locations, crc32, nowMs: () => NOW_MS, reads: "bytes" } as const;
    for await (const { kind: what, subject, isMended } of check({ ...base, ...options })) {
      found.push(`${what} ${subject}${isMended ? " mended" : ""}`);
    }
    return found;
  }

  const listed = async ({ catalog }: TurnBench, id: string): Promise<number> =>
    (await catalog.segments(session(id))).length;

  it("finds nothing where nothing is wrong, with a turn open and a file that is to be unlinked", async () => {
    const bench = await stored();
    await bench.plan("b", "another story goes on ");
    await end(bench, "a");
    expect(await findings(bench, { repair: REPAIR })).toEqual([]);
    await rm(join(bench.root, "a"));
    expect(await findings(bench)).toEqual([]);
  });

  it("finds a missing file, and lets go of what was in it", async () => {
    const bench = await stored();
    await rm(join(bench.root, "a"));
    expect(await findings(bench)).toEqual(["file_missing disk/a"]);
    expect(await listed(bench, "a")).toBe(2);
    expect(await findings(bench, { repair: REPAIR })).toEqual(["file_missing disk/a mended"]);
    expect([await listed(bench, "a"), await listed(bench, "b")]).toEqual([0, 1]);
    expect(await findings(bench)).toEqual([]);
  });

  it("finds the copies of a segment that are missing or damaged, and lets go of those alone", async () => {
    const bench = await benches.open({ memoryBytes: 2 ** 20 });
    const copier = new BenchCopier(bench);
    await bench.create("a");
    await bench.turn("a", "one ", "two ");
    await bench.turn("a", "one two three ", "four ");
    await copier.copyAll("a", "disk");
    const [first, second] = await bench.catalog.segments(session("a"));
    // The one location lies in the other's root.
    const named = async (options: Partial<CheckOptions>) =>
      (await findings(bench, options))
        .filter((text) => text !== "foreign disk/memory")
        .map((text) => text.replace(second?.id ?? "", "ID"));
    expect(await named({ repair: REPAIR })).toEqual([]);
    await rm(join(bench.root, "memory/a"));
    await bench.write({ kvUri: "file:///replica2", kvStart: 0, tokenStart: 0, tokenLength: 1 }, 1);
    const found = ["segment_damaged ID", "file_missing memory/a"];
    expect(await named({})).toEqual(found);
    expect(await named({ reads: "stats" })).toEqual(found.slice(1));
    expect(await named({ repair: REPAIR })).toEqual(found.map((text) => `${text} mended`));
    expect(await bench.catalog.segments(session("a"))).toMatchObject([
      { id: first?.id, file: { location: "disk", name: "replica1" }, replicas: [] },
    ]);
    expect(await named({})).toEqual([]);
  });

  it("finds a snapshot that is damaged or cut short, and lets go of it", async () => {
    const bench = await stored();
    const [one, other] = [
      await saveOnDisk(bench, { name: "a", text: "one two" }),
      await saveOnDisk(bench, { name: "b", text: "another" }),
    ];
    expect(await findings(bench, { repair: REPAIR })).toEqual([]);
    await bench.write({
      kvUri: `file:///${one.file.name}`,
      kvStart: 0,
      tokenStart: 0,
      tokenLength: 1,
    });
    await truncate(join(bench.root, other.file.name), other.bytes - 1);
    expect(await findings(bench, { repair: REPAIR })).toEqual([
      `segment_damaged ${one.segment} mended`,
      `segment_damaged ${other.segment} mended`,
    ]);
    expect([await listed(bench, "a"), await listed(bench, "b")]).toEqual([2, 1]);
    expect(await findings(bench)).toEqual([]);
  });

  it("finds a link in the place of a file", async () => {
    const bench = await stored();
    await rename(join(bench.root, "b"), join(bench.root, "not here"));
    await symlink(join(bench.root, "not here"), join(bench.root, "b"));
    expect(await findings(bench, { repair: REPAIR })).toEqual([
      "file_not_ours disk/b mended",
      "foreign disk/b",
      "foreign disk/not here",
    ]);
    expect(await listed(bench, "b")).toBe(0);
  });

  it.each(["stats", "bytes"] as const)(
    "finds what a file was cut off from, by %s",
    async (reads) => {
      const bench = await stored();
      const [first, second] = await bench.catalog.segments(session("a"));
      await truncate(join(bench.root, "a"), (second?.kvStart ?? 0) + 1);
      const found = await findings(bench, { reads, repair: REPAIR });
      expect(found).toEqual([`segment_damaged ${second?.id} mended`]);
      expect(await bench.catalog.segments(session("a"))).toMatchObject([{ id: first?.id }]);
    },
  );

  it("finds other bytes, if it is to read them", async () => {
    const bench = await stored();
    const [first] = await bench.catalog.segments(session("a"));
    await bench.write({ kvUri: "file:///a", kvStart: 3, tokenStart: 0, tokenLength: 1 }, 0x11);
    expect(await findings(bench, { reads: "stats" })).toEqual([]);
    expect(await findings(bench)).toEqual([`segment_damaged ${first?.id}`]);
    const mended = await findings(bench, { repair: REPAIR });
    expect(mended).toEqual([`segment_damaged ${first?.id} mended`]);
    expect(await listed(bench, "a")).toBe(1);
  });

  it("reads what another object has taken the place of, and keeps what is whole", async () => {
    const bench = await stored();
    const [path, copy] = [join(bench.root, "b"), join(bench.root, "copy of b")];
    await copyFile(path, copy);
    await rename(copy, path);
    const found = await findings(bench, { reads: "stats", repair: REPAIR });
    expect(found).toEqual(["file_replaced disk/b"]);
    expect(await listed(bench, "b")).toBe(1);
    await truncate(path, 0);
    await truncate(path, 10_000);
    const [segment] = await bench.catalog.segments(session("b"));
    expect(await findings(bench, { reads: "stats", repair: REPAIR })).toEqual([
      "file_replaced disk/b",
      `segment_damaged ${segment?.id} mended`,
    ]);
  });

  it("condemns nothing that it cannot read", async () => {
    const fs = failingFs();
    const bench = await stored({ fs });
    fs.restart({ at: 1, mode: "crash" });
    expect(await findings(bench, { repair: REPAIR })).toEqual([
      "file_unreadable disk/a",
      "file_unreadable disk/b",
      "location_unreadable disk",
    ]);
    fs.restart({ at: Infinity, mode: "once" });
    expect([await listed(bench, "a"), await listed(bench, "b")]).toEqual([2, 1]);
  });

  it("removes orphans and leftovers when they are old, and what is not ours never", async () => {
    const bench = await stored();
    const seconds = (NOW_MS - REPAIR.orphanAgeMs) / 1000;
    for (const name of ["orphan", ".x.d1.part", "not an object"]) {
      await writeFile(join(bench.root, name), "0123456789");
      await utimes(join(bench.root, name), seconds - 1, seconds - 1);
    }
    await writeFile(join(bench.root, "young"), "0123456789");
    await utimes(join(bench.root, "young"), seconds + 1, seconds + 1);
    await mkdir(join(bench.root, "lost+found"));
    expect((await findings(bench)).toSorted()).toEqual([
      "foreign disk/lost+found",
      "foreign disk/not an object",
      "leftover disk/.x.d1.part",
      "orphan disk/orphan",
      "orphan disk/young",
    ]);
    expect((await findings(bench, { repair: REPAIR })).toSorted()).toEqual([
      "foreign disk/lost+found",
      "foreign disk/not an object",
      "leftover disk/.x.d1.part mended",
      "orphan disk/orphan mended",
      "orphan disk/young",
    ]);
    expect(await filesOf(bench)).toEqual(["a", "b", "lost+found", "not an object", "young"]);
  });

  it("removes nothing for a catalog that knows of nothing there", async () => {
    const bench = await stored();
    const catalog = await openCatalog(new MemoryStore());
    const found = await findings(bench, { catalog, repair: REPAIR });
    expect(found).toEqual(["orphan disk/a", "orphan disk/b"]);
    expect(await filesOf(bench)).toEqual(["a", "b"]);
  });

  it("finds files at a location that there is no more", async () => {
    const bench = await stored();
    expect(await findings(bench, { locations: [], repair: REPAIR })).toEqual([
      "location_unknown disk",
    ]);
    expect(await listed(bench, "a")).toBe(2);
  });

  it("tells and mends what the catalog contradicts itself in", async () => {
    const store = new MemoryStore();
    const catalog = await openCatalog(store);
    const bench = await TurnBench.open({ catalog });
    await bench.create("a");
    await store.write((tx) => tx.remove(tenantKey("")));
    expect(await findings(bench, { catalog })).toEqual(["catalog catalog"]);
    expect(await findings(bench, { catalog, repair: REPAIR })).toEqual(["catalog catalog mended"]);
    expect(await findings(bench, { catalog })).toEqual([]);
    await bench.close();
  });
});
