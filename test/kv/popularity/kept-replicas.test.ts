/** Replicas beside what else the keeper does. */
import { afterEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { Copier } from "../../../src/kv/copier.ts";
import type { Site } from "../../../src/kv/reach.ts";
import { RETENTION } from "../../support/kv-desk.ts";
import { entriesIn } from "../../support/root-entries.ts";
import { SMALL_TOKEN_BYTES } from "../../support/small-model.ts";
import { POLICY, session, type TurnBench } from "../../support/turn-bench.ts";
import { unhurriedCopies } from "../../support/unhurried-copies.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { KEEPER_POLICY, KeeperStand } from "../upkeep/keeper-stand.ts";
import { REPLICA_POLICY, ReplicaStand } from "./replica-stand.ts";

const STORY = "a story that all of them begin with";
const TWO = ["a", "b"].map((id): Site => ({ id, labels: {}, engines: true }));
const goneMs = POLICY.turnMs + KEEPER_POLICY.leftoverMs + KEEPER_POLICY.quarantineMs;

describe.each(CATALOGS)("a keeper with a replicator over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  const stands: KeeperStand[] = [];
  afterEach(async () => {
    for (const stand of stands.splice(0)) await stand.keeper.close();
    expect(await benches.close()).toEqual([]);
  });

  async function opened(around?: (catalog: Catalog) => Catalog): Promise<TurnBench> {
    const bench = await benches.open({ sites: TWO }, around);
    await bench.create("own");
    await bench.turn("own", STORY, "");
    return bench;
  }

  function keep({ bench, replicator }: ReplicaStand): KeeperStand {
    const stand = new KeeperStand(bench, { replicator, stockIntervalMs: 1e12 });
    stands.push(stand);
    return stand;
  }

  /** As if so many plans of this moment had listed all that the session has. */
  async function heat({ bench, rates }: ReplicaStand, reads: number): Promise<void> {
    for (const { id } of await bench.catalog.segments(session("own"))) rates.add(id, reads);
  }

  const filesAt = ({ root }: TurnBench, location: string) => entriesIn(`${root}/${location}`);

  it("makes them and drops them, and the bytes are there until nobody reads them any more", async () => {
    const hot = new ReplicaStand(await opened());
    const stand = keep(hot);
    await heat(hot, 40);
    await stand.pass();
    expect(await filesAt(hot.bench, "b")).toEqual(["replica1"]);
    hot.loads.add("a", 1e9); // so that the replica is what is read
    await stand.passAfter(REPLICA_POLICY.coolDownMs - 5_000);
    const plan = await hot.bench.plan("own", `${STORY} and on`, { maxNewTokens: 0 });
    expect(plan.stored).toMatchObject([{ kvUri: "file:///b/replica1" }]);
    await stand.passAfter(10_000);
    expect(await hot.locationsOf("own")).toEqual([["a"]]);
    await stand.passAfter(POLICY.turnMs - 20_000);
    expect(await filesAt(hot.bench, "b")).toEqual(["replica1"]);
    await stand.passAfter(goneMs);
    expect(await filesAt(hot.bench, "b")).toEqual([]);
    expect(stand.failures).toEqual([]);
  });

  it("makes none for a while where one was evicted for want of room", async () => {
    const hot = new ReplicaStand(await opened());
    const stand = keep(hot);
    await heat(hot, 40);
    await stand.pass();
    expect(await hot.locationsOf("own")).toEqual([["a", "b"]]);
    const hotUntil = async (ms: number) => {
      while (hot.bench.clock.now() < ms) {
        await heat(hot, 5);
        await stand.pass();
      }
    };
    await hotUntil(hot.bench.clock.now() + REPLICA_POLICY.coolDownMs - 10_000);
    const pressedMs = hot.bench.clock.now();
    stand.keeper.press({ location: "b", priority: RETENTION.priority, bytes: 2 ** 40 });
    await stand.pass();
    expect(stand.evictions).toMatchObject([{ location: "b", copies: 1, segments: 0 }]);
    expect(await hot.locationsOf("own")).toEqual([["a"]]);
    await hotUntil(pressedMs + REPLICA_POLICY.coolDownMs - 5_000);
    expect(hot.made).toHaveLength(1);
    await hotUntil(pressedMs + REPLICA_POLICY.coolDownMs + 5_000);
    expect(await hot.locationsOf("own")).toEqual([["a", "b"]]);
  });

  it("leaves nothing for ever of a copy that was made and not recorded, and makes another", async () => {
    let isKilled = true;
    const bench = await opened((catalog) => ({
      ...catalog,
      addReplica: (request) =>
        isKilled ? Promise.reject(new Error("killed")) : catalog.addReplica(request),
    }));
    const killed = new ReplicaStand(bench);
    await heat(killed, 40);
    await expect(killed.pass()).rejects.toThrow("killed");
    expect(await filesAt(bench, "b")).toEqual(["replica1"]);
    expect(await killed.locationsOf("own")).toEqual([["a"]]);
    const bytes = STORY.length * SMALL_TOKEN_BYTES;
    expect((await bench.catalog.locationUsage("b")).bookedBytes).toBe(bytes);
    expect(await bench.catalog.audit()).toEqual([]);
    isKilled = false;
    let names = 0;
    const copier = new Copier({
      catalog: bench.catalog,
      locations: new Map(bench.locations.map((each) => [each.profile.id, each])),
      nowMs: () => bench.clock.now(),
      newName: () => `again${++names}`,
      scrubSoon: () => {},
      copyMs: KEEPER_POLICY.leftoverMs,
      ...unhurriedCopies(),
    });
    const restarted = new ReplicaStand(bench, { copier });
    const stand = keep(restarted);
    await heat(restarted, 40);
    await stand.pass();
    expect((await filesAt(bench, "b")).toSorted()).toEqual(["again1", "replica1"]);
    await stand.passAfter(goneMs);
    expect(await filesAt(bench, "b")).not.toContain("replica1");
    expect(stand.results()).toContain("replica1 removed");
  });

  it("has a part that fails tried again, and the others have their turn", async () => {
    const bench = await opened((catalog) => ({
      ...catalog,
      nextSegment: () => Promise.reject(new Error("the catalog cannot be read")),
    }));
    const stand = keep(new ReplicaStand(bench));
    await stand.pass();
    expect(new Set(stand.failures)).toEqual(new Set(["replicate: the catalog cannot be read"]));
    expect(stand.failures.length).toBeGreaterThan(1);
  });
});
