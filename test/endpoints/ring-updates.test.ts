import { beforeAll, describe, expect, it } from "vitest";
import type { Hash64, Ring, RingMember } from "../../src/affinity/ring.ts";
import { rebuildRing } from "../../src/affinity/ring-build.ts";
import { RingUpdates, type BuildRing } from "../../src/endpoints/ring-updates.ts";
import { createHash64 } from "../../src/hash.ts";
import { settle } from "../support/fake-clock.ts";
import { plainRing } from "../support/plain-ring.ts";
import { equalMembers, member } from "../support/ring-member.ts";

function openUpdates(buildRing: BuildRing, members: readonly RingMember[] = []) {
  const state = { members, rings: [] as Ring[], caughtUp: 0, failures: [] as string[] };
  const updates = new RingUpdates({
    buildRing,
    wanted: () => state.members,
    changed: (ring) => state.rings.push(ring),
    caughtUp: () => state.caughtUp++,
    failed: (error) => state.failures.push(error.message),
  });
  return { updates, state };
}

/** Takes `steps` steps for each ring, and counts those taken, and the builds begun. */
function stepwise(steps: number) {
  const count = { steps: 0, builds: 0 };
  function* build(
    _previous: Ring | undefined,
    members: readonly RingMember[],
  ): Generator<undefined, Ring> {
    count.builds++;
    for (let step = 0; step < steps; step++) {
      count.steps++;
      yield undefined;
    }
    return plainRing(members);
  }
  return { count, build };
}

const idsOf = (ring: Ring | undefined): string | undefined =>
  ring?.members.map(({ id }) => id).join();

describe("ring updates", () => {
  it("take one step per turn of the event loop", async () => {
    const { count, build } = stepwise(5);
    const { updates } = openUpdates(build, [member("a")]);
    count.steps = 0;
    updates.request();
    expect(count.steps).toBe(0);
    await settle();
    const afterOneTurn = count.steps;
    await settle();
    expect([afterOneTurn, count.steps]).toEqual([1, 2]);
    await updates.idle();
    expect(idsOf(updates.ring)).toBe("a");
  });

  it("finish the build under way and then build the newest list, skipping those between", async () => {
    const { count, build } = stepwise(3);
    const { updates, state } = openUpdates(build, [member("a")]);
    count.builds = 0;
    updates.request();
    await settle();
    for (const id of ["b", "c", "d"]) {
      state.members = [member(id)];
      updates.request();
    }
    await updates.idle();
    expect(state.rings.map(idsOf)).toEqual(["a", "d"]);
    expect([count.builds, state.caughtUp]).toEqual([2, 1]);
  });

  it("build each ring from the one before", async () => {
    const seen: (string | undefined)[] = [];
    // oxlint-disable-next-line require-yield -- a build that ends in its first step
    const { updates, state } = openUpdates(function* build(previous, members) {
      seen.push(idsOf(previous));
      return plainRing(members);
    });
    for (const id of ["a", "b"]) {
      state.members = [member(id)];
      updates.request();
      await updates.idle();
    }
    expect(seen).toEqual([undefined, "", "a"]);
  });

  it("keep the former ring when a build fails, say so, and try the next list", async () => {
    let isBroken = false;
    const { updates, state } = openUpdates(function* build(_previous, members) {
      yield undefined;
      if (isBroken) throw new Error("no memory");
      return plainRing(members);
    });
    state.members = [member("a")];
    isBroken = true;
    updates.request();
    await updates.idle();
    expect([idsOf(updates.ring), state.failures]).toEqual(["", ["no memory"]]);
    isBroken = false;
    updates.request();
    await updates.idle();
    expect(idsOf(updates.ring)).toBe("a");
  });

  it("drop the build under way when they are closed, and begin no other", async () => {
    const { count, build } = stepwise(1_000);
    const { updates, state } = openUpdates(build, [member("a")]);
    count.steps = 0;
    updates.request();
    await settle();
    await updates.close();
    await updates.close();
    updates.request();
    await updates.idle();
    expect(count.steps).toBe(1);
    expect([state.rings, state.caughtUp]).toEqual([[], 0]);
  });
});

describe("ring updates with the real ring", () => {
  let hash: Hash64;
  beforeAll(async () => {
    hash = await createHash64();
  });

  it(
    "build a ring of 200 endpoints and 65,536 slots without holding the event loop for 50 ms",
    {
      timeout: 30_000,
    },
    async () => {
      const { updates } = openUpdates(
        (previous, members) => rebuildRing(previous, members, { slots: 65_536, hash }),
        equalMembers(200),
      );
      const turns = timeTurns();
      updates.request();
      await updates.idle();
      expect(updates.ring.members).toHaveLength(200);
      expect(turns.longestMs()).toBeLessThan(50);
    },
  );
});

/** How long the event loop was held in each of its turns from now on, by the clock of this thread: others may have the core. */
function timeTurns(): { longestMs(): number } {
  const turnsMs: number[] = [];
  let from = process.threadCpuUsage();
  const end = () => {
    const { user, system } = process.threadCpuUsage(from);
    from = process.threadCpuUsage();
    turnsMs.push((user + system) / 1000);
  };
  const turn = () => {
    end();
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  return {
    longestMs: () => {
      clearImmediate(next);
      end();
      return Math.max(...turnsMs);
    },
  };
}
