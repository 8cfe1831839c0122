import { mkdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";

import type { TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { filesOf, KEEPER_POLICY, KeeperStand, type StandOptions } from "./keeper-stand.ts";

describe.each(CATALOGS)("stock-taking over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  const stands: KeeperStand[] = [];
  afterEach(async () => {
    for (const stand of stands.splice(0)) await stand.keeper.close();
    expect(await benches.close()).toEqual([]);
  });

  function keep(bench: TurnBench, options: StandOptions = {}): KeeperStand {
    const stand = new KeeperStand(bench, options);
    stands.push(stand);
    return stand;
  }

  async function open(): Promise<TurnBench> {
    const bench = await benches.open();
    await bench.create("a");
    await bench.turn("a", "one ", "two ");
    return bench;
  }

  /** `ageMs` before the bench's clock. */
  async function put(bench: TurnBench, name: string, ageMs: number): Promise<void> {
    const path = join(bench.root, name);
    await writeFile(path, "0123456789");
    const atSeconds = (bench.clock.now() - ageMs) / 1000;
    await utimes(path, atSeconds, atSeconds);
  }

  it("discards what a put left when no put can be at it any more", async () => {
    const bench = await open();
    await bench.clock.advance(KEEPER_POLICY.leftoverMs + 10_000);
    await put(bench, ".x.dead.part", KEEPER_POLICY.leftoverMs + 1_000);
    await put(bench, ".x.live.part", KEEPER_POLICY.leftoverMs - 30_000);
    const stand = keep(bench);
    while (stand.stocks.length === 0) await stand.step();
    expect(await filesOf(bench)).toEqual([".x.live.part", "a"]);
    expect(stand.stocks).toMatchObject([{ leftovers: 2, discarded: 1 }]);
  });

  it("counts what the catalog does not know, names it, and leaves it", async () => {
    const bench = await open();
    await put(bench, "orphan", 0);
    await put(bench, "not an object", 0);
    await mkdir(join(bench.root, "lost+found"));
    const stand = keep(bench, { stockEntries: 2 });
    while (stand.stocks.length === 0) await stand.pass();
    expect(stand.stocks).toEqual([
      {
        location: "disk",
        objects: 2,
        orphans: 1,
        orphanBytes: 10,
        leftovers: 0,
        discarded: 0,
        foreign: 2,
      },
    ]);
    expect(stand.orphans).toEqual(["orphan"]);
    expect(await filesOf(bench)).toEqual(["a", "lost+found", "not an object", "orphan"]);
  });

  it("looks at as many entries in a pass as it may, however little a transaction may change", async () => {
    const bench = await open();
    for (let at = 0; at < 4; at++) await put(bench, `orphan${at}`, 0);
    const stand = keep(bench, { limit: 1, stockEntries: 10 });
    while (stand.passes === 0) await stand.step();
    expect(stand.stocks).toMatchObject([{ objects: 5, orphans: 4 }]);
  });

  it("takes stock again after its interval, and not before", async () => {
    const bench = await open();
    const stand = keep(bench, { stockIntervalMs: 60_000 });
    await stand.pass();
    await stand.pass();
    expect(stand.stocks).toHaveLength(1);
    await stand.passAfter(60_000);
    expect(stand.stocks.length).toBeGreaterThan(1);
  });

  it("says that a location cannot be listed, and tries again in the next pass", async () => {
    const bench = await open();
    await rm(bench.root, { recursive: true });
    const stand = keep(bench);
    await stand.pass();
    expect(stand.failures.length).toBeGreaterThan(1);
    expect(stand.failures[0]).toContain(`stock: root ${bench.root}`);
    await mkdir(bench.root);
  });
});
