import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Closers } from "../src/closers.ts";
import { openKvStore } from "../src/compose-kv-store.ts";
import { parseConfig } from "../src/config/config.ts";
import type { KvConfig } from "../src/config/kv-config.ts";
import { AppError } from "../src/errors.ts";
import { locationKey, sessionKey } from "../src/kv/catalog/keys.ts";
import { LmdbStore } from "../src/kv/catalog/lmdb.ts";
import { checkKv } from "../src/kv-check.ts";
import type { ObjectName } from "../src/kv/location.ts";
import { KvDesk } from "./support/kv-desk.ts";
import { kvText } from "./support/kv-config.ts";

let folder: string;
let kv: KvConfig;
let lines: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-kv-check-"));
  await mkdir(join(folder, "a"));
  const config = parseConfig(kvText({}), { path: join(folder, "moorline.yaml") });
  if (config.kv === null) throw new Error("the configuration has no kv");
  kv = config.kv;
  lines = [];
});
afterEach(async () => rm(folder, { recursive: true }));

/** Beside a file of the catalog's, an object that it does not know, as old as a day. */
async function leaveOrphan(): Promise<string> {
  const closers = new Closers();
  const { catalog, locations } = await openKvStore(kv, { closers, ended: () => {} });
  const desk = new KvDesk(catalog);
  await desk.create("s");
  const { file, toBytes } = await desk.reserved("s", { newFile: { location: "a" } });
  await locations.get("a")?.reserve(file.name, toBytes);
  await locations.get("a")?.reserve("orphan" as ObjectName, 10);
  const uri = locations.get("a")?.uri("orphan" as ObjectName) ?? "";
  await closers.close();
  const path = join(folder, uri.slice("file:///".length));
  await utimes(path, new Date(Date.now() - 86_400_000), new Date(Date.now() - 86_400_000));
  return path;
}

function run(repairs: boolean): Promise<boolean> {
  return checkKv(kv, { repairs, readsBytes: true, print: (line) => lines.push(line) });
}

describe("kv check", () => {
  it("finds nothing in a store that is new", async () => {
    expect(await run(false)).toBe(true);
    expect(lines).toEqual(["0 found, 0 mended"]);
  });

  it("names what it finds, changes nothing, and says that something is left", async () => {
    const path = await leaveOrphan();
    expect(await run(false)).toBe(false);
    expect(lines).toEqual([expect.stringMatching(/^orphan a\/orphan: /), "1 found, 0 mended"]);
    expect((await stat(path)).isFile()).toBe(true);
  });

  it("lists what is somebody else's, and does not take it for damage", async () => {
    await mkdir(join(folder, "a", "lost+found"));
    expect(await run(false)).toBe(true);
    expect(lines).toEqual(["foreign a/lost+found: not ours; it stays", "0 found, 0 mended"]);
  });

  it("goes on behind records that cannot be read, names their keys, and mends them", async () => {
    await leaveOrphan();
    const store = new LmdbStore(kv.catalog);
    await store.write((tx) => {
      tx.put(sessionKey({ tenant: "t", id: "s" }), Uint8Array.of(1));
      tx.put(locationKey("a"), Uint8Array.of(1));
    });
    await store.close();
    expect(await run(false)).toBe(false);
    const session = String.raw`catalog catalog: "st\u0000s\u0000" cannot be read: catalog record is cut short`;
    expect(lines).toContain(session);
    expect(lines).toContainEqual(expect.stringMatching(/^orphan a\/orphan: /));
    expect(await run(true)).toBe(true);
    expect(lines).toContain(`${session} (mended)`);
    lines = [];
    expect(await run(true)).toBe(true);
    expect(lines).toEqual(["0 found, 0 mended"]);
  });

  it("mends where it was asked to, once", async () => {
    const path = await leaveOrphan();
    expect(await run(true)).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/ \(mended\)$/), "1 found, 1 mended"]);
    await expect(stat(path)).rejects.toThrow("ENOENT");
    lines = [];
    expect(await run(true)).toBe(true);
    expect(lines).toEqual(["0 found, 0 mended"]);
  });

  it("never runs beside a service that has the catalog", async () => {
    const closers = new Closers();
    await openKvStore(kv, { closers, ended: () => {} });
    const refused = run(false).catch((reason: unknown) => AppError.from(reason));
    expect(await refused).toMatchObject({ code: "config_invalid" });
    expect(((await refused) as AppError).message).toContain(`in use by process ${process.pid}`);
    await closers.close();
  });

  it("says which location cannot be used, and leaves the catalog free", async () => {
    await rm(join(folder, "a"), { recursive: true });
    await writeFile(join(folder, "a"), "");
    await expect(run(false)).rejects.toThrow(/^kv.locations a cannot be used: /);
    await rm(join(folder, "a"));
    await mkdir(join(folder, "a"));
    expect(await run(false)).toBe(true);
  });
});
