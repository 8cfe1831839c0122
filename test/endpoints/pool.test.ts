import { describe, expect, it } from "vitest";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";
import { settle } from "../support/fake-clock.ts";
import {
  describeStates,
  openPool,
  openReadyPool,
  specOf,
  stateOf,
} from "../support/pool-harness.ts";

const [a, b] = ["a", "b"] as EndpointId[] as [EndpointId, EndpointId];

describe("a pool's membership", () => {
  it("is empty and not ready before the first list [R4]", () => {
    const { pool } = openPool();
    expect(pool.snapshot).toMatchObject({
      name: "default",
      generation: 0,
      endpoints: [],
      readyWeight: 0,
    });
    expect(pool.isReady).toBe(false);
  });

  it("publishes its first list even if that is empty, and then only what changes", async () => {
    const { pool, log } = openPool();
    pool.setMembers([]);
    pool.setMembers([]);
    await pool.ranked();
    expect(log.snapshots.map(({ generation }) => generation)).toEqual([1]);
    expect(pool.isReady).toBe(true);
  });

  it("lists new endpoints at once, beside the ring, and puts them on it in a later turn", async () => {
    const { pool, checks } = openPool();
    pool.setMembers([specOf("b"), specOf("a")]);
    checks.answerAll("passed");
    expect(describeStates(pool)).toBe("a ready, b ready");
    expect(pool.snapshot).toMatchObject({ ring: { members: [] }, readyWeight: 0 });
    await pool.ranked();
    expect(pool.snapshot.ring.members.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(pool.snapshot.readyWeight).toBe(2);
  });

  it("makes a snapshot that later changes leave as it is", async () => {
    const { pool, checks } = await openReadyPool("ab");
    const before = pool.snapshot;
    checks.answer("failed", "10.0.0.1:8000", "10.0.0.1:8000");
    pool.setMembers([specOf("b")]);
    await pool.ranked();
    expect(before.endpoints.map(({ id, state }) => `${id} ${state}`)).toEqual([
      "a ready",
      "b ready",
    ]);
    expect(before.byId.get(a)?.state).toBe("ready");
    expect(pool.snapshot.generation).toBeGreaterThan(before.generation);
  });

  it("shows a removed endpoint as down on the old ring, and nowhere once the new ring is there", async () => {
    const { pool, log } = await openReadyPool("abc");
    pool.setMembers([specOf("a"), specOf("c")]);
    expect(describeStates(pool)).toBe("a ready, b down, c ready");
    expect(pool.snapshot.byId.has(b)).toBe(false);
    expect(pool.snapshot.readyWeight).toBe(2);
    await pool.ranked();
    expect(describeStates(pool)).toBe("a ready, c ready");
    expect(log.take()).toEqual(["default b ready->absent delisted", "default ring of 2"]);
  });

  it("treats an endpoint that comes back before the new ring is there as a new one", async () => {
    const { pool, checks } = await openReadyPool("ab");
    pool.setMembers([specOf("a")]);
    pool.setMembers([specOf("a"), specOf("b")]);
    expect(stateOf(pool, "b")).toBe("down");
    checks.answer("passed", "10.0.0.2:8000");
    await pool.ranked();
    expect(describeStates(pool)).toBe("a ready, b ready");
  });

  it("publishes nothing for a list that says the same", async () => {
    const { pool, log } = await openReadyPool("ab");
    const before = pool.snapshot;
    pool.setMembers([specOf("b"), specOf("a", { labels: {} })]);
    await pool.ranked();
    expect(pool.snapshot).toBe(before);
    expect(log.take()).toEqual([]);
  });

  it("publishes changed labels without a state change, on the same ring", async () => {
    const { pool, log } = await openReadyPool("ab");
    const { ring } = pool.snapshot;
    pool.setMembers([specOf("a", { labels: { zone: "x" } }), specOf("b")]);
    await pool.ranked();
    expect(pool.snapshot.byId.get(a)?.labels).toEqual({ zone: "x" });
    expect(pool.snapshot.ring).toBe(ring);
    expect(log.take()).toEqual([]);
  });

  it("keeps an endpoint of weight 0 off the ring and lists it last", async () => {
    const { pool, checks } = openPool();
    pool.setMembers([
      specOf("a", { weight: 0 }),
      specOf("b", { weight: -1 }),
      specOf("c", { weight: 2 }),
    ]);
    checks.answerAll("passed");
    await pool.ranked();
    expect(describeStates(pool)).toBe("c ready, a ready, b ready");
    expect(pool.snapshot.ring.members).toEqual([{ id: "c", weight: 2 }]);
    expect(pool.snapshot.readyWeight).toBe(2);
  });

  it("counts only ready endpoints into the ready weight", async () => {
    const { pool, checks } = openPool();
    pool.setMembers([
      specOf("a", { weight: 2 }),
      specOf("b", { weight: 3 }),
      specOf("c", { isDraining: true }),
    ]);
    checks.answer("passed", "10.0.0.1:8000", "10.0.0.3:8000");
    await pool.ranked();
    expect(describeStates(pool)).toBe("a ready, b down, c draining");
    expect(pool.snapshot.readyWeight).toBe(2);
  });

  it("lets the newest of several lists win", async () => {
    const { pool, log } = openPool();
    for (const ids of ["a", "abc", "bd"]) pool.setMembers(ids.split("").map((id) => specOf(id)));
    await pool.ranked();
    expect(pool.snapshot.ring.members.map(({ id }) => id)).toEqual(["b", "d"]);
    expect(log.take().filter((line) => line.includes("ring"))).toEqual(["default ring of 2"]);
  });

  it("holds an endpoint that joins a running pool back until Envoy can know it", async () => {
    const { pool, checks, clock } = await openReadyPool("a", { joinDelayMs: 500 });
    pool.setMembers([specOf("a"), specOf("b")]);
    checks.answer("passed", "10.0.0.2:8000");
    await clock.advance(499);
    expect(stateOf(pool, "b")).toBe("down");
    await clock.advance(1);
    expect(stateOf(pool, "b")).toBe("ready");
  });

  it("keeps the state of an endpoint at a new address until its first check there, which decides", async () => {
    const { pool, checks } = await openReadyPool("ab");
    pool.setMembers([specOf("a", { port: 9000 }), specOf("b")]);
    expect(pool.snapshot.byId.get(a)).toMatchObject({ address: "10.0.0.1:9000", state: "ready" });
    expect([...checks.running.keys()]).toEqual(["10.0.0.2:8000", "10.0.0.1:9000"]);
    checks.answer("failed", "10.0.0.1:9000");
    expect(stateOf(pool, "a")).toBe("down");
  });
});

describe("a pool's readiness", () => {
  it("comes when each endpoint of the first list was checked once, whatever the outcome", async () => {
    const { pool, checks } = openPool();
    pool.setMembers([specOf("a"), specOf("b")]);
    await pool.ranked();
    checks.answer("passed", "10.0.0.1:8000");
    expect(pool.isReady).toBe(false);
    checks.answer("failed", "10.0.0.2:8000");
    expect(pool.isReady).toBe(true);
    await expect(pool.ready()).resolves.toBeUndefined();
  });

  it("waits for the first ring", async () => {
    const { pool, checks } = openPool();
    pool.setMembers([specOf("a")]);
    checks.answerAll("passed");
    expect(pool.isReady).toBe(false);
    await pool.ranked();
    expect(pool.isReady).toBe(true);
  });

  it("waits for no endpoint that has left unchecked, and for none that came later", async () => {
    const { pool, checks } = openPool();
    pool.setMembers([specOf("a"), specOf("b")]);
    pool.setMembers([specOf("a"), specOf("c")]);
    checks.answer("passed", "10.0.0.1:8000");
    await pool.ranked();
    expect(pool.isReady).toBe(true);
  });

  it("does not go away when every endpoint goes down later", async () => {
    const { pool, checks } = await openReadyPool("a");
    checks.answer("failed", "10.0.0.1:8000", "10.0.0.1:8000");
    expect([stateOf(pool, "a"), pool.isReady]).toEqual(["down", true]);
  });
});

describe("closing a pool", () => {
  it("leaves no timer and no check, and can be repeated", async () => {
    const { pool, clock, checks } = await openReadyPool("ab");
    pool.setMembers([specOf("a", { isDraining: true }), specOf("b")]);
    expect(clock.pendingTimers).toBe(1);
    await pool.close();
    await pool.close();
    expect(clock.pendingTimers).toBe(0);
    expect(checks.running.size).toBe(0);
  });

  it("ignores lists that come later, and drops the ring that was being built", async () => {
    const { pool, log } = await openReadyPool("a");
    pool.setMembers([specOf("a"), specOf("b")]);
    await pool.close();
    pool.setMembers([specOf("c")]);
    await settle();
    expect(pool.snapshot.ring.members.map(({ id }) => id)).toEqual(["a"]);
    expect(log.take()).toEqual(["default b absent->down listed"]);
  });
});
