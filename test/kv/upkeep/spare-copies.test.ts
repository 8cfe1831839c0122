/** Copies beside which there is another one, at a location that is there or not. */
import { afterEach, describe, expect, it } from "vitest";

import { copiesOf } from "../../../src/kv/copies.ts";
import type { RoomFor } from "../../../src/kv/space.ts";
import { BenchCopier } from "../../support/bench-copier.ts";
import { PLENTY } from "../../support/kv-desk.ts";
import { session, type TurnBench } from "../../support/turn-bench.ts";
import { unmount } from "../../support/unmounted.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { KeeperStand } from "./keeper-stand.ts";

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
});
