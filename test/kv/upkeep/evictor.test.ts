import { afterEach, describe, expect, it } from "vitest";

import { RETENTION } from "../../support/kv-desk.ts";
import { SMALL_TOKEN_BYTES } from "../../support/small-model.ts";
import { session } from "../../support/turn-bench.ts";
import type { TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { filesOf, KeeperStand, type StandOptions } from "./keeper-stand.ts";

const TURN = "sixteen tokens  ";
const TURN_BYTES = TURN.length * SMALL_TOKEN_BYTES;

describe.each(CATALOGS)("eviction over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  const stands: KeeperStand[] = [];
  afterEach(async () => {
    for (const stand of stands.splice(0)) await stand.keeper.close();
    expect(await benches.close()).toEqual([]);
  });

  /** A disk with room for that many turns. */
  async function disk(turns: number, options: StandOptions = {}): Promise<KeeperStand> {
    const { headroomBytes = 0 } = options;
    const bench = await benches.open({ diskBytes: turns * TURN_BYTES, headroomBytes });
    const stand = new KeeperStand(bench, { quarantineMs: 10_000, ...options });
    stands.push(stand);
    return stand;
  }

  async function store({ bench }: KeeperStand, id: string, priority: number): Promise<void> {
    const retention = { ...RETENTION, ttlMs: 3_600_000, maxAgeMs: 86_400_000, priority };
    await bench.sessions.create({ session: session(id), model: "small", retention });
    await bench.turn(id, `${id}${TURN.slice(id.length)}`, "");
  }

  const reasonOf = async (bench: TurnBench, id: string): Promise<string> => {
    const { fresh } = await bench.plan(id, TURN, { maxNewTokens: 0 });
    return fresh.kind === "none" ? fresh.reason : fresh.kind;
  };

  it("makes the room that was refused, and the next turn of that session stores", async () => {
    const stand = await disk(2);
    await store(stand, "a", 1);
    await store(stand, "b", 2);
    await stand.bench.create("c");
    expect(await reasonOf(stand.bench, "c")).toBe("no_space");
    expect(stand.bench.pressures).toEqual([
      { location: "disk", priority: RETENTION.priority, bytes: TURN_BYTES },
    ]);
    stand.keeper.press({ location: "disk", priority: 1, bytes: TURN_BYTES });
    await stand.pass();
    await stand.passAfter(70_000);
    expect(await filesOf(stand.bench)).toEqual(["b"]);
    expect(await reasonOf(stand.bench, "c")).toBe("reserved");
  });

  it("asks for none that could not be made by evicting everything", async () => {
    const stand = await disk(2);
    await store(stand, "a", 1);
    await store(stand, "b", 1);
    await stand.bench.create("c");
    const { fresh } = await stand.bench.plan("c", TURN.repeat(3), { maxNewTokens: 0 });
    expect(fresh).toEqual({ kind: "none", reason: "no_space" });
    expect(stand.bench.pressures).toEqual([]);
  });

  it("makes none that nobody asked for, however little is left", async () => {
    const stand = await disk(1, { headroomBytes: TURN_BYTES });
    await store(stand, "a", 1);
    await stand.passAfter(70_000);
    expect(stand.evictions).toEqual([]);
    expect(await filesOf(stand.bench)).toEqual(["a"]);
  });

  it("keeps the headroom once a reservation left less", async () => {
    const stand = await disk(4, { headroomBytes: 2 * TURN_BYTES });
    await store(stand, "a", 1);
    await store(stand, "b", 1);
    expect(stand.bench.pressures).toEqual([]);
    await store(stand, "c", 1);
    expect(stand.bench.pressures).toEqual([{ location: "disk", priority: 1, bytes: 0 }]);
    stand.keeper.press({ location: "disk", priority: 1, bytes: 0 });
    await stand.pass();
    expect(stand.evictions).toMatchObject([{ files: 1, isShort: false, cause: "headroom" }]);
  });

  it("counts what waits in quarantine as room, and evicts no more for it", async () => {
    const stand = await disk(4, { quarantineMs: 900_000 });
    for (const id of ["a", "b", "c", "d"]) await store(stand, id, 1);
    for (let asked = 0; asked < 5; asked++) {
      stand.keeper.press({ location: "disk", priority: 1, bytes: TURN_BYTES });
      await stand.pass();
    }
    expect(stand.evictions).toHaveLength(1);
    expect(await filesOf(stand.bench)).toHaveLength(4);
  });

  it("goes on where the limit cut it short, until the room is made", async () => {
    const stand = await disk(6, { limit: 1, quarantineMs: 900_000 });
    for (const id of ["a", "b", "c", "d", "e", "f"]) await store(stand, id, 1);
    stand.keeper.press({ location: "disk", priority: 1, bytes: 4 * TURN_BYTES });
    await stand.pass();
    const freed = stand.evictions.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(freed).toBe(4 * TURN_BYTES);
    expect(stand.evictions.length).toBeGreaterThan(3);
  });

  it("gives each refusal the most that was asked for at its priority, and none that is worth more", async () => {
    const stand = await disk(3);
    for (const id of ["a", "b", "c"]) await store(stand, id, 5);
    await stand.pass();
    stand.keeper.press({ location: "disk", priority: 1, bytes: 3 * TURN_BYTES });
    stand.keeper.press({ location: "disk", priority: 5, bytes: TURN_BYTES });
    stand.keeper.press({ location: "disk", priority: 5, bytes: 2 * TURN_BYTES });
    stand.keeper.press({ location: "disk", priority: 2, bytes: 0 });
    stand.keeper.press({ location: "nowhere", priority: 9, bytes: 1 });
    await stand.pass();
    const evicted = stand.evictions.filter(({ files }) => files > 0);
    expect(evicted).toMatchObject([{ location: "disk", cause: "full", files: 2 }]);
    expect(stand.failures).toEqual([]);
  });
});
