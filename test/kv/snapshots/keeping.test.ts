import * as nodeFs from "node:fs/promises";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";

import { CatalogFault } from "../../../src/kv/catalog-fault.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import type { StagedName } from "../../../src/kv/staging.ts";
import { PLENTY } from "../../support/kv-desk.ts";
import { SnapshotBench, type SnapshotBenchOptions } from "../../support/kv/snapshot-bench.ts";
import { session } from "../../support/turn-bench.ts";

const STORY = "What a server saved is listed once it is whole. ".repeat(10);
const BYTES = STORY.length * 1_000;

let bench: SnapshotBench;
afterEach(async () => expect(await bench.close()).toEqual([]));

async function open(options: SnapshotBenchOptions = {}): Promise<void> {
  bench = await SnapshotBench.open(options);
  await bench.create("s");
}

/** What is left of a save that was not kept. */
async function leftOf(reason: string): Promise<void> {
  expect(await bench.staged()).toEqual([]);
  expect(await bench.objects(), reason).toEqual([]);
  expect((await bench.catalog.locationUsage("a")).bookedBytes).toBe(0);
  expect(bench.stored).toEqual([]);
}

function failing(rule: keyof Catalog): (catalog: Catalog) => Catalog {
  const fail = () => Promise.reject(new CatalogFault("no room for the commit"));
  return (catalog) => Object.create(catalog, { [rule]: { value: fail } }) as Catalog;
}

it("lists what was saved: its tokens, bytes and CRC, in an object of its own", async () => {
  await open();
  const segment = await bench.kept("s", STORY);
  expect(segment).toMatchObject({
    state: "durable",
    tokenStart: 0,
    tokenLength: STORY.length,
    kvStart: 0,
    bytes: BYTES,
    refs: 1,
  });
  expect(await bench.catalog.segments(session("s"))).toEqual([segment]);
  expect(await bench.objects()).toEqual([segment.file.name]);
  expect(await bench.staged()).toEqual([]);
  expect(bench.stored).toEqual([segment.id]);
  expect(await bench.catalog.tenantUsage("")).toMatchObject({ bytes: BYTES });
});

describe("what a server did not save as it said", () => {
  it.each([
    ["more bytes than it wrote", { bytes: BYTES + 1 }],
    ["fewer bytes than it wrote", { bytes: BYTES - 1 }],
    ["a name under which nothing is", { name: "none.slot" as StagedName }],
  ])("is not listed: %s", async (reason, changes) => {
    await open();
    const outcome = await bench.keep("s", STORY, changes);
    expect(outcome).toEqual({ kind: "dropped", reason: "unsound" });
    await leftOf(reason);
  });

  it.each([
    ["no tokens", STORY.length, { tokens: 0, bytes: BYTES }],
    ["no bytes", 0, { tokens: 1, bytes: 0 }],
  ])("is not listed where it has %s", async (reason, written, changes) => {
    await open();
    const name = await bench.write(written);
    const outcome = await bench.keep("s", STORY, { ...changes, name });
    expect(outcome).toEqual({ kind: "dropped", reason: "unsound" });
    await leftOf(reason);
  });

  it("is not listed where it changes before it is an object", async () => {
    let path = "";
    const statfs: FileSystem["statfs"] = async (...args) => {
      if (path !== "") await nodeFs.appendFile(path, "more");
      return nodeFs.statfs(...args);
    };
    await open({ fs: { ...nodeFs, statfs } });
    const name = await bench.write(STORY.length);
    path = join(bench.location().staging.path, name);
    const outcome = await bench.keep("s", STORY, { name });
    expect(outcome).toEqual({ kind: "dropped", reason: "unsound" });
    path = "";
    await leftOf("changed");
  });
});

describe("where there is no room", () => {
  it("on the location, it is dropped, and room is asked for at the priority of the session", async () => {
    await open({ diskBytes: 1.5 * BYTES });
    await bench.create("u");
    await bench.kept("u", STORY);
    expect(await bench.keep("s", STORY)).toEqual({ kind: "dropped", reason: "no_space" });
    expect(bench.pressures).toEqual([{ location: "a", priority: 500, bytes: BYTES }]);
    expect(await bench.staged()).toEqual([]);
    expect(await bench.objects()).toHaveLength(1);
  });

  it("for it even alone, nobody is pressed for it", async () => {
    await open({ diskBytes: BYTES - 1 });
    expect(await bench.keep("s", STORY)).toEqual({ kind: "dropped", reason: "no_space" });
    expect(bench.pressures).toEqual([]);
    await leftOf("no_space");
  });

  it("for what comes next, room is asked for", async () => {
    await open({ diskBytes: 3 * BYTES, headroomBytes: 2 * BYTES });
    await bench.kept("s", STORY);
    expect(bench.pressures).toEqual([]);
    await bench.create("u");
    await bench.kept("u", STORY);
    expect(bench.pressures).toEqual([{ location: "a", priority: 500, bytes: 0 }]);
  });

  it("in the quota, it is dropped", async () => {
    await open({ quota: { ...PLENTY, bytes: BYTES - 1 } });
    expect(await bench.keep("s", STORY)).toEqual({ kind: "dropped", reason: "quota_bytes" });
    await leftOf("quota_bytes");
  });

  it("on the device, it is dropped", async () => {
    let isFull = false;
    const link: FileSystem["link"] = async (...args) => {
      if (isFull) throw Object.assign(new Error("full"), { code: "ENOSPC", syscall: "link" });
      await nodeFs.link(...args);
    };
    await open({ fs: { ...nodeFs, link } });
    isFull = true;
    expect(await bench.keep("s", STORY)).toEqual({ kind: "dropped", reason: "store_failed" });
    await leftOf("ENOSPC");
  });
});

it.each(["gone", "nobody/s"])(
  "nothing is kept of a session that is not there: %s",
  async (name) => {
    await open();
    expect(await bench.keep(name, STORY)).toEqual({ kind: "dropped", reason: "no_session" });
    await leftOf("no_session");
  },
);

it("nothing is kept at a location that is not there", async () => {
  await open();
  const outcome = await bench.keep("s", STORY, { location: "z" });
  expect(outcome).toEqual({ kind: "dropped", reason: "store_failed" });
});

describe("a catalog that takes no commits", () => {
  it.each(["openSnapshot", "session"] as const)("drops it: %s", async (rule) => {
    await open({ around: failing(rule) });
    expect(await bench.keep("s", STORY)).toEqual({ kind: "dropped", reason: "catalog_failed" });
    await leftOf(rule);
  });

  it("leaves a booked object that nobody lists, and the sweep names it once its time is over", async () => {
    await open({ around: failing("keepSnapshot") });
    expect(await bench.keep("s", STORY)).toEqual({ kind: "dropped", reason: "catalog_failed" });
    expect(await bench.staged()).toEqual([]);
    const [name] = await bench.objects();
    await bench.clock.advance(600_000);
    const sweep = { nowMs: bench.clock.now() + 1, limit: 100, quarantineMs: 0 };
    const { unlinkable } = await bench.catalog.sweep(sweep);
    expect(unlinkable).toEqual([{ location: "a", name }]);
  });
});

it("what the session's end overtakes is not left behind", async () => {
  const around = (catalog: Catalog): Catalog =>
    Object.create(catalog, {
      openSnapshot: {
        value: async (request: Parameters<Catalog["openSnapshot"]>[0]) => {
          const opened = await catalog.openSnapshot(request);
          await catalog.end(request.session, request.nowMs);
          return opened;
        },
      },
    }) as Catalog;
  await open({ around });
  expect(await bench.keep("s", STORY)).toEqual({ kind: "dropped", reason: "no_session" });
  await leftOf("no_session");
});

describe("of many saves at once", () => {
  /** Reads that were under way at the same time, of different files. */
  function watchedFs(): { readonly fs: FileSystem; most: number } {
    const watched = { most: 0, fs: nodeFs as unknown as FileSystem };
    const reading = new Set<string>();
    const openFile: FileSystem["open"] = async (...args) => {
      const file = await nodeFs.open(...args);
      const [path] = args;
      if (!path.endsWith(".slot")) return file;
      reading.add(path);
      watched.most = Math.max(watched.most, reading.size);
      const close = file.close.bind(file);
      return Object.assign(file, {
        close: () => {
          reading.delete(path);
          return close();
        },
      });
    };
    watched.fs = { ...nodeFs, open: openFile };
    return watched;
  }

  it("no more than two are read through at a time, and all are kept", async () => {
    const watched = watchedFs();
    await open({ fs: watched.fs });
    const names = Array.from({ length: 12 }, (_, at) => `s${at}`);
    for (const name of names) await bench.create(name);
    const saves = names.map((name) => bench.keep(name, `${STORY}${name}`));
    const kinds = (await Promise.all(saves)).map(({ kind }) => kind);
    expect(kinds).toEqual(names.map(() => "kept"));
    expect(watched.most).toBe(2);
  });

  it("those of one location hold up none of another", async () => {
    const held = Promise.withResolvers<void>();
    const openFile: FileSystem["open"] = async (...args) => {
      const file = await nodeFs.open(...args);
      if (!args[0].endsWith("slow.slot")) return file;
      await held.promise;
      return file;
    };
    await open({ sites: ["a", "b"], fs: { ...nodeFs, open: openFile } });
    const slow = ["1slow.slot", "2slow.slot", "3slow.slot"].map(async (file) => {
      const name = file as StagedName;
      await nodeFs.writeFile(
        join(bench.location().staging.path, name),
        bench.bytesOf(STORY.length),
      );
      return bench.keep("s", STORY, { name });
    });
    await bench.kept("s", STORY, { at: "b" });
    held.resolve();
    expect((await Promise.all(slow)).map(({ kind }) => kind)).toEqual(["kept", "kept", "kept"]);
  });
});

it("closing waits for what is being kept, and takes nothing more", async () => {
  await open();
  const name = await bench.write(STORY.length);
  const keeping = bench.keep("s", STORY, { name });
  await bench.desk.close();
  expect(bench.stored).toHaveLength(1);
  expect((await keeping).kind).toBe("kept");
  await expect(bench.keep("s", STORY)).rejects.toMatchObject({ code: "internal" });
  await rm(bench.location().staging.path, { recursive: true });
});
