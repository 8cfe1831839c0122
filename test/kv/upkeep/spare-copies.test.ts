/** Copies beside which there is another one, at a location that is there or not. */
import { afterEach, describe, expect, it } from "vitest";

import { copiesOf } from "../../../src/kv/copies.ts";
import type { RoomFor } from "../../../src/kv/space.ts";
import { BenchCopier } from "../../support/bench-copier.ts";
import { PLENTY, RETENTION } from "../../support/kv-desk.ts";
import { SMALL_TOKEN_BYTES } from "../../support/small-model.ts";
import { session, type TurnBench } from "../../support/turn-bench.ts";
import { unmount } from "../../support/unmounted.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { end, KeeperStand } from "./keeper-stand.ts";

const SITES = ["a", "b"].map((id) => ({ id, labels: {}, engines: true }));
const HOUR_MS = 3_600_000;
const ALL_BYTES = 2 ** 50;
const REASONS: readonly RoomFor[] = [1_000, "reading"];

describe.each(CATALOGS)("an eviction over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  let stand: KeeperStand;
  afterEach(async () => {
    await stand.keeper.close();
    expect(await benches.close()).toEqual([]);
  });

  /** A pinned session, of which all lies at "a" and at "b". */
  async function pinned(): Promise<TurnBench> {
    const bench = await benches.open({ sites: SITES });
    await bench.create("own");
    await bench.turn("own", "a story", "");
    const nowMs = bench.clock.now();
    const untilMs = nowMs + HOUR_MS;
    await bench.catalog.pin({ session: session("own"), nowMs, untilMs, quota: PLENTY });
    expect(await new BenchCopier(bench).copyAll("own", "b")).toEqual(["copied"]);
    stand = new KeeperStand(bench);
    return bench;
  }

  async function copiesAfter(bench: TurnBench, priority: RoomFor): Promise<readonly string[]> {
    stand.keeper.press({ location: "a", priority, bytes: ALL_BYTES });
    await stand.pass();
    const [segment] = await bench.catalog.segments(session("own"));
    return segment === undefined ? [] : copiesOf(segment).map(({ location }) => location);
  }

  it.each(REASONS)(
    "takes a copy for %s where the other one is at a location that answers",
    async (reason) => {
      const bench = await pinned();
      expect(await copiesAfter(bench, reason)).toEqual(["b"]);
    },
  );

  it.each(REASONS)("takes no copy for %s while the other one's mount is down", async (reason) => {
    const bench = await pinned();
    const mount = await unmount(`${bench.root}/b`);
    expect(await copiesAfter(bench, reason)).toEqual(["a", "b"]);
    await mount();
    expect(await copiesAfter(bench, reason)).toEqual(["b"]);
  });

  describe("of a place that copies fill", () => {
    const TURN = "sixteen tokens  ";
    const TURN_BYTES = TURN.length * SMALL_TOKEN_BYTES;

    /** A disk "b" with room for that many turns, full of one of its own and a copy of each that lies at "a". */
    async function full(turns: number, priority = RETENTION.priority): Promise<TurnBench> {
      const bench = await benches.open({ sites: SITES, diskBytes: turns * TURN_BYTES });
      const retention = { ...RETENTION, ttlMs: HOUR_MS, maxAgeMs: HOUR_MS, priority };
      const copier = new BenchCopier(bench);
      for (let turn = 0; turn < turns; turn++) {
        const id = `s${turn}`;
        await bench.sessions.create({ session: session(id), model: "small", retention });
        const reach = new Set([turn === 0 ? "b" : "a"]);
        const plan = await bench.plan(id, `${id}${TURN.slice(2)}`, { maxNewTokens: 0, reach });
        await bench.commit(plan, [`${id}${TURN.slice(2)}`, ""]);
        await bench.desk.settled();
        if (turn > 0) expect(await copier.copyAll(id, "b")).toEqual(["copied"]);
      }
      stand = new KeeperStand(bench, { quarantineMs: 10_000 });
      await bench.create("new");
      return bench;
    }

    const reserve = async (bench: TurnBench) => {
      const { fresh } = await bench.plan("new", TURN, { maxNewTokens: 0, reach: new Set(["b"]) });
      return fresh.kind === "none" ? fresh.reason : fresh.kind;
    };
    const segments = async (bench: TurnBench) =>
      (await bench.catalog.segments(session("s0"))).length;

    it("takes them first where a reservation of their priority needs room, and costs nobody what is stored", async () => {
      const bench = await full(4);
      expect(await reserve(bench)).toBe("no_space");
      for (const pressure of bench.pressures) stand.keeper.press(pressure);
      await stand.pass();
      expect(stand.evictions).toMatchObject([{ location: "b", copies: 1, segments: 0 }]);
      await stand.passAfter(70_000);
      expect(await reserve(bench)).toBe("reserved");
      expect(await segments(bench)).toBe(1);
    });

    it("leaves them to sessions of a higher priority, which is why readahead fills half of a place at most", async () => {
      const bench = await full(4, RETENTION.priority + 1);
      expect(await reserve(bench)).toBe("no_space");
      for (const pressure of bench.pressures) stand.keeper.press(pressure);
      await stand.pass();
      expect(stand.evictions).toMatchObject([{ copies: 0, isShort: true }]);
    });

    it("takes one for another that is to be read, where they have their share of it and there is room", async () => {
      const bench = await full(4);
      await end(bench, "s0");
      await stand.passAfter(70_000);
      const { bookedBytes, replicaBytes } = await bench.catalog.locationUsage("b");
      expect([bookedBytes, replicaBytes]).toEqual([3 * TURN_BYTES, 3 * TURN_BYTES]);
      stand.keeper.press({ location: "b", priority: "reading", bytes: TURN_BYTES });
      await stand.pass();
      expect(stand.evictions).toMatchObject([{ copies: 2, segments: 0 }]);
    });
  });
});
