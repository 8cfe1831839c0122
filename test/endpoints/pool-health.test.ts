import { describe, expect, it } from "vitest";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";
import {
  describeStates,
  openPool,
  openReadyPool,
  specOf,
  stateOf,
} from "../support/pool-harness.ts";

const [a, b, c, d] = ["a", "b", "c", "d"] as EndpointId[] as [
  EndpointId,
  EndpointId,
  EndpointId,
  EndpointId,
];

describe("a pool's health", () => {
  it("starts endpoints down and follows their first check [R6]", () => {
    const { pool, checks, log } = openPool();
    pool.setMembers([specOf("a"), specOf("b")]);
    expect(describeStates(pool)).toBe("a down, b down");
    checks.answer("passed", "10.0.0.1:8000");
    expect(describeStates(pool)).toBe("a ready, b down");
    expect(log.take()).toEqual([
      "default a absent->down listed",
      "default b absent->down listed",
      "default a down->ready check",
    ]);
  });

  it("shares the ring between snapshots of different health [R6]", async () => {
    const { pool, checks, log } = await openReadyPool("abc");
    const { ring, generation } = pool.snapshot;
    checks.answer("failed", "10.0.0.2:8000", "10.0.0.2:8000");
    expect(describeStates(pool)).toBe("a ready, b down, c ready");
    expect(pool.snapshot).toMatchObject({ generation: generation + 1, readyWeight: 2 });
    expect(pool.snapshot.ring).toBe(ring);
    expect(log.take()).toEqual([
      "default b ready->down check",
      "default b fails: 503 from GET /health",
    ]);
  });

  it("tells of checks that fail from the start, once until one passes", () => {
    const { pool, checks, log } = openPool();
    pool.setMembers([specOf("a")]);
    checks.answer("failed", "10.0.0.1:8000");
    expect(log.take()).toEqual(["default a absent->down listed"]);
    checks.answer("failed", "10.0.0.1:8000");
    checks.answer("failed", "10.0.0.1:8000");
    expect(log.take()).toEqual(["default a fails: 503 from GET /health"]);
    checks.answer("passed", "10.0.0.1:8000");
    checks.answer("failed", "10.0.0.1:8000", "10.0.0.1:8000");
    expect(log.take()).toEqual(["default a fails: 503 from GET /health"]);
  });

  it("remembers the last check of an endpoint, until it is at another address or gone", async () => {
    const { pool, checks, clock } = openPool();
    pool.setMembers([specOf("a")]);
    expect(pool.lastCheck(a)).toBeUndefined();
    checks.answer("failed", "10.0.0.1:8000");
    expect(pool.lastCheck(a)).toMatchObject({ failure: "503 from GET /health" });
    await clock.advance(5);
    checks.answer("passed", "10.0.0.1:8000");
    expect(pool.lastCheck(a)).toEqual({ failure: undefined, atMs: clock.now(), failures: 0 });
    pool.setMembers([specOf("a", { port: 9000 })]);
    expect(pool.lastCheck(a)).toBeUndefined();
    checks.answer("passed", "10.0.0.1:9000");
    pool.setMembers([]);
    expect(pool.lastCheck(a)).toBeUndefined();
  });

  it("publishes nothing for a sign that changes no state", async () => {
    const { pool, checks } = await openReadyPool("ab");
    const before = pool.snapshot;
    checks.answer("failed", "10.0.0.1:8000");
    checks.answer("passed", "10.0.0.1:8000");
    expect(pool.snapshot).toBe(before);
  });

  it("lets one flapping endpoint change nothing but itself", async () => {
    const { pool, checks } = await openReadyPool("abc");
    const others = [pool.snapshot.byId.get(a), pool.snapshot.byId.get(c)];
    const { ring } = pool.snapshot;
    for (let round = 0; round < 10; round++) {
      checks.answer("failed", "10.0.0.2:8000", "10.0.0.2:8000");
      checks.answer("passed", "10.0.0.2:8000", "10.0.0.2:8000");
    }
    expect(stateOf(pool, "b")).toBe("ready");
    expect([pool.snapshot.byId.get(a), pool.snapshot.byId.get(c)]).toEqual(others);
    expect(pool.snapshot.ring).toBe(ring);
  });

  it("has nothing ready when every endpoint fails its checks [R4]", async () => {
    const { pool, checks } = await openReadyPool("ab");
    checks.answerAll("failed");
    checks.answerAll("failed");
    expect(describeStates(pool)).toBe("a down, b down");
    expect(pool.snapshot.readyWeight).toBe(0);
  });

  it("is all up at once where health is not checked", () => {
    const { pool } = openPool({ checks: undefined });
    pool.setMembers([specOf("a"), specOf("b")]);
    expect(describeStates(pool)).toBe("a ready, b ready");
  });

  it("stops the check of an endpoint that was removed", async () => {
    const { pool, checks } = await openReadyPool("ab");
    pool.setMembers([specOf("b")]);
    expect([...checks.running.keys()]).toEqual(["10.0.0.2:8000"]);
  });
});

describe("a pool's passive signs", () => {
  it("take an endpoint down at the threshold and bring its check forward each time", async () => {
    const { pool, checks, log } = await openReadyPool("ab");
    pool.connectFailed(a);
    expect(stateOf(pool, "a")).toBe("ready");
    pool.connectFailed(a);
    expect(stateOf(pool, "a")).toBe("down");
    expect(checks.broughtForward).toEqual(["10.0.0.1:8000", "10.0.0.1:8000"]);
    expect(log.take()).toEqual(["default a ready->down connect_failed"]);
  });

  it("take down no more than half of a pool", async () => {
    const { pool } = await openReadyPool("abc");
    for (const id of [a, b, c, a, b, c, a, b, c]) pool.connectFailed(id);
    expect(describeStates(pool)).toBe("a down, b ready, c ready");
  });

  it("take down one of two, and none of one", async () => {
    const two = await openReadyPool("ab");
    for (const id of [a, b, a, b]) two.pool.connectFailed(id);
    expect(describeStates(two.pool)).toBe("a down, b ready");
    const one = await openReadyPool("a");
    for (const id of [a, a, a]) one.pool.connectFailed(id);
    expect(describeStates(one.pool)).toBe("a ready");
  });

  it("may take down another one once a check has confirmed the first", async () => {
    const { pool, checks } = await openReadyPool("abcd");
    for (const id of [a, a, b, b, c, c]) pool.connectFailed(id);
    expect(describeStates(pool)).toBe("a down, b down, c ready, d ready");
    checks.answer("failed", "10.0.0.1:8000");
    pool.connectFailed(c);
    expect(describeStates(pool)).toBe("a down, b down, c down, d ready");
  });

  it("are undone by as many passed checks as any other failure [R6]", async () => {
    const { pool, checks } = await openReadyPool("ab");
    pool.connectFailed(a);
    pool.connectFailed(a);
    checks.answer("passed", "10.0.0.1:8000");
    expect(stateOf(pool, "a")).toBe("down");
    checks.answer("passed", "10.0.0.1:8000");
    expect(stateOf(pool, "a")).toBe("ready");
  });

  it("are forgotten after ten seconds where health is not checked", async () => {
    const { pool, clock } = await openReadyPool("ab", { checks: undefined });
    pool.connectFailed(a);
    pool.connectFailed(a);
    await clock.advance(9_999);
    expect(stateOf(pool, "a")).toBe("down");
    await clock.advance(1);
    expect(stateOf(pool, "a")).toBe("ready");
    pool.connectFailed(b);
    pool.connectFailed(b);
    expect(describeStates(pool)).toBe("a ready, b down");
  });

  it("of a server error only bring the check forward", async () => {
    const { pool, checks } = await openReadyPool("ab");
    for (let count = 0; count < 10; count++) pool.serverError(a);
    expect(stateOf(pool, "a")).toBe("ready");
    expect(checks.broughtForward).toHaveLength(10);
  });

  it.each([
    ["failed", "down"],
    ["passed", "ready"],
  ] as const)(
    "of a process that has ended bring a check forward, which decides alone: %s",
    async (result, state) => {
      const { pool, checks } = await openReadyPool("abc", {
        thresholds: { failures: 3, successes: 2 },
      });
      pool.processEnded(a);
      expect([stateOf(pool, "a"), checks.broughtForward]).toEqual(["ready", ["10.0.0.1:8000"]]);
      checks.answer(result, "10.0.0.1:8000", "10.0.0.2:8000");
      expect(describeStates(pool)).toBe(`a ${state}, b ready, c ready`);
    },
  );

  it("about an endpoint that was just removed change nothing", async () => {
    const { pool, checks } = await openReadyPool("ab");
    pool.setMembers([specOf("b")]);
    const before = pool.snapshot;
    for (let count = 0; count < 3; count++) pool.connectFailed(a);
    pool.serverError(a);
    pool.processEnded(a);
    expect(pool.snapshot).toBe(before);
    expect(checks.broughtForward).toEqual([]);
  });

  it("about an endpoint that is not there change nothing", async () => {
    const { pool } = await openReadyPool("ab");
    const before = pool.snapshot;
    for (let count = 0; count < 3; count++) pool.connectFailed(d);
    pool.serverError(d);
    pool.processEnded(d);
    expect(pool.snapshot).toBe(before);
  });
});

describe("a draining endpoint", () => {
  const draining = specOf("a", { isDraining: true });

  it("drains until its deadline and is down from then on", async () => {
    const { pool, clock, log } = await openReadyPool("ab");
    pool.setMembers([draining, specOf("b")]);
    expect(stateOf(pool, "a")).toBe("draining");
    await clock.advance(599_999);
    expect(stateOf(pool, "a")).toBe("draining");
    await clock.advance(1);
    expect(stateOf(pool, "a")).toBe("down");
    expect(log.take()).toEqual([
      "default a ready->draining listed",
      "default a draining->down time",
    ]);
  });

  it("has one deadline however often the list repeats the flag", async () => {
    const { pool, clock } = await openReadyPool("ab");
    pool.setMembers([draining, specOf("b")]);
    await clock.advance(300_000);
    pool.setMembers([{ ...draining, labels: { note: "still" } }, specOf("b")]);
    await clock.advance(300_000);
    expect(stateOf(pool, "a")).toBe("down");
  });

  it("is ready again when the flag is taken back, before and after the deadline", async () => {
    const { pool, clock } = await openReadyPool("ab");
    pool.setMembers([draining, specOf("b")]);
    pool.setMembers([specOf("a"), specOf("b")]);
    await clock.advance(600_000);
    expect(stateOf(pool, "a")).toBe("ready");
    pool.setMembers([draining, specOf("b")]);
    await clock.advance(600_000);
    pool.setMembers([specOf("a"), specOf("b")]);
    expect(stateOf(pool, "a")).toBe("ready");
  });

  it("has a new deadline when the flag is set anew", async () => {
    const { pool, clock } = await openReadyPool("ab");
    pool.setMembers([draining, specOf("b")]);
    await clock.advance(500_000);
    pool.setMembers([specOf("a"), specOf("b")]);
    pool.setMembers([draining, specOf("b")]);
    await clock.advance(599_999);
    expect(stateOf(pool, "a")).toBe("draining");
  });

  it("that is removed takes its deadline with it", async () => {
    const { pool, clock } = await openReadyPool("ab");
    pool.setMembers([draining, specOf("b")]);
    pool.setMembers([specOf("b")]);
    await pool.ranked();
    expect(clock.pendingTimers).toBe(0);
  });

  it("is down while its checks fail, and comes back draining", async () => {
    const { pool, checks } = await openReadyPool("ab");
    pool.setMembers([draining, specOf("b")]);
    checks.answer("failed", "10.0.0.1:8000", "10.0.0.1:8000");
    expect(stateOf(pool, "a")).toBe("down");
    checks.answer("passed", "10.0.0.1:8000", "10.0.0.1:8000");
    expect(stateOf(pool, "a")).toBe("draining");
  });
});
