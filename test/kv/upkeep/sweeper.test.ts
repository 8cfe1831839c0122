import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import * as nodeFs from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";

import type { ObjectName } from "../../../src/kv/location.ts";
import { session, turnOf } from "../../support/turn-bench.ts";
import type { BenchOptions, TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { end, filesOf, KEEPER_POLICY, KeeperStand, type StandOptions } from "./keeper-stand.ts";

const { quarantineMs } = KEEPER_POLICY;
const DAY_MS = 86_400_000;
const ref = (name: string) => ({ location: "disk", name: name as ObjectName });

describe.each(CATALOGS)("the sweep over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  const stands: KeeperStand[] = [];
  afterEach(async () => {
    for (const stand of stands.splice(0)) await stand.keeper.close();
    expect(await benches.close()).toEqual([]);
  });

  async function open(options: Omit<BenchOptions, "catalog"> = {}): Promise<TurnBench> {
    const bench = await benches.open(options);
    await bench.create("a");
    return bench;
  }

  function keep(bench: TurnBench, options: StandOptions = {}) {
    const stand = new KeeperStand(bench, options);
    stands.push(stand);
    return stand;
  }

  it("unlinks what a session leaves when its quarantine is over, and forgets it then", async () => {
    const bench = await open();
    await bench.turn("a", "one ", "two ");
    await end(bench, "a");
    const stand = keep(bench);
    await stand.passAfter(quarantineMs - 10_000);
    expect(await filesOf(bench)).toEqual(["a"]);
    await stand.passAfter(10_000);
    expect(await filesOf(bench)).toEqual([]);
    expect(stand.results()).toEqual(["a removed"]);
    expect(await bench.catalog.file(ref("a"))).toBeUndefined();
    expect((await bench.catalog.locationUsage("disk")).bookedBytes).toBe(0);
  });

  it("removes a file in which nothing was ever settled", async () => {
    const bench = await open();
    await bench.desk.abort(turnOf(await bench.plan("a", "one ")), "client_gone");
    await end(bench, "a");
    const stand = keep(bench);
    await stand.passAfter(quarantineMs);
    expect(stand.results()).toEqual(["a removed"]);
  });

  it("forgets a file that has gone by itself", async () => {
    const bench = await open();
    await bench.turn("a", "one ", "two ");
    await end(bench, "a");
    await rm(join(bench.root, "a"));
    const stand = keep(bench);
    await stand.passAfter(quarantineMs);
    expect(stand.results()).toEqual(["a absent"]);
    expect(await bench.catalog.file(ref("a"))).toBeUndefined();
  });

  it("leaves what somebody else had under a session's name before it, and says so", async () => {
    const bench = await open();
    await writeFile(join(bench.root, "a"), "of somebody else");
    await bench.turn("a", "one ", "two ");
    await end(bench, "a");
    const stand = keep(bench);
    await stand.passAfter(quarantineMs);
    expect(stand.results()).toEqual(["a kept", "a.e2 removed"]);
    expect(await readFile(join(bench.root, "a"), "utf8")).toBe("of somebody else");
    expect(await bench.catalog.file(ref("a"))).toBeUndefined();
  });

  it("leaves what took the place of a session's file", async () => {
    const bench = await open();
    await bench.turn("a", "one ", "two ");
    await rename(join(bench.root, "a"), join(bench.root, "kept by an operator"));
    await writeFile(join(bench.root, "a"), "another");
    await end(bench, "a");
    const stand = keep(bench);
    await stand.passAfter(quarantineMs);
    expect(stand.results()).toEqual(["a kept"]);
    expect(await filesOf(bench)).toEqual(["a", "kept by an operator"]);
  });

  it.each(["link", "folder"])("leaves a %s in the place of a session's file", async (what) => {
    const bench = await open();
    await bench.turn("a", "one ", "two ");
    await rename(join(bench.root, "a"), join(bench.root, "away"));
    if (what === "folder") await mkdir(join(bench.root, "a"));
    else await symlink(join(bench.root, "away"), join(bench.root, "a"));
    await end(bench, "a");
    const stand = keep(bench);
    await stand.passAfter(quarantineMs);
    expect(stand.results()).toEqual(["a not_ours"]);
    expect(await filesOf(bench)).toEqual(["a", "away"]);
    expect(await bench.catalog.file(ref("a"))).toBeUndefined();
  });

  it("tries again what it could not unlink, behind all others", async () => {
    const stuck = new Set(["a", "b", "c"]);
    const unlink = async (path: string): Promise<void> => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (!stuck.has(name)) return nodeFs.unlink(path);
      throw Object.assign(new Error("EIO"), { code: "EIO", syscall: "unlink" });
    };
    const bench = await open({ fs: { ...nodeFs, unlink } });
    const names = ["a", "b", "c", "d", "e", "f"];
    for (const id of names) {
      await bench.create(id);
      await bench.turn(id, `${id}ne `, "two ");
      await end(bench, id);
      await bench.clock.advance(1);
    }
    const stand = keep(bench, { limit: 3 });
    await stand.passAfter(quarantineMs);
    expect(await filesOf(bench)).toEqual(["a", "b", "c"]);
    stuck.clear();
    await stand.pass();
    expect(await filesOf(bench)).toEqual([]);
  });

  it("counts nothing as unlinked while the root is not there", async () => {
    const bench = await open();
    await bench.turn("a", "one ", "two ");
    await end(bench, "a");
    await rm(bench.root, { recursive: true });
    await mkdir(bench.root);
    const stand = keep(bench);
    await stand.passAfter(quarantineMs);
    expect(new Set(stand.results())).toEqual(new Set(["a io"]));
    expect(await bench.catalog.file(ref("a"))).toMatchObject({ name: "a" });
  });

  it("leaves the event loop to others after each of its transactions", async () => {
    const bench = await open();
    for (const id of ["b", "c", "d", "e"]) await bench.create(id);
    await bench.clock.advance(3_600_000);
    const rests = vi.spyOn(bench.clock, "after");
    const stand = keep(bench, { limit: 1 });
    await stand.pass();
    const busy = stand.sweeps.filter(({ isFull }) => isFull).length;
    expect(busy).toBe(5);
    expect(rests.mock.calls.filter(([delayMs]) => delayMs === 0)).toHaveLength(5);
  });

  it("drops nothing early when the clock goes back by days, and what expires when it goes forward", async () => {
    const bench = await open();
    await bench.clock.advance(40 * DAY_MS);
    await bench.create("b");
    await bench.turn("b", "one ", "two ");
    let skewMs = -30 * DAY_MS;
    const stand = keep(bench, { wallMs: () => bench.clock.now() + skewMs });
    await stand.pass();
    skewMs = 0;
    await stand.pass();
    expect(await bench.catalog.segments(session("b"))).toHaveLength(1);
    skewMs = 5 * DAY_MS;
    await stand.pass();
    expect(await bench.catalog.session(session("b"))).toBeUndefined();
  });
});
