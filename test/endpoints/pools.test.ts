import { describe, expect, it } from "vitest";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";
import { Pools, type PoolDefinition } from "../../src/endpoints/pools.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { buildPlainRing, HandChecks, PoolLog, specOf } from "../support/pool-harness.ts";

function openPools(...definitions: readonly PoolDefinition[]) {
  const checks = new HandChecks();
  const clock = new FakeClock();
  const pools = new Pools(definitions, {
    clock,
    buildRing: buildPlainRing,
    checks,
    thresholds: { failures: 1, successes: 1 },
    drainDeadlineMs: 1,
    joinDelayMs: 0,
    observer: new PoolLog(),
  });
  return { pools, checks, clock };
}

const large = { name: "large", models: ["llama-70b", "llama-70b-fp8"] };
const small = { name: "small", models: ["llama-8b"] };
const other = { name: "other", models: [] };

describe("pools by model", () => {
  it("gives a model the pool that lists it", () => {
    const { pools } = openPools(large, small);
    expect(pools.forModel("llama-70b-fp8")?.name).toBe("large");
    expect(pools.forModel("llama-8b")?.name).toBe("small");
  });

  it("gives an unlisted model, and none, the default pool", () => {
    const { pools } = openPools(large, other);
    expect(pools.forModel("mixtral")?.name).toBe("other");
    expect(pools.forModel(undefined)?.name).toBe("other");
  });

  it("gives an unlisted model nothing where there is no default pool", () => {
    const { pools } = openPools(large, small);
    expect(pools.forModel("mixtral")).toBeUndefined();
    expect(pools.forModel(undefined)).toBeUndefined();
  });

  it("has several from two on", () => {
    expect(openPools(other).pools.hasSeveral).toBe(false);
    expect(openPools(other, small).pools.hasSeveral).toBe(true);
  });

  it("finds pools by name, and lists all in their order", () => {
    const { pools } = openPools(large, small);
    expect(pools.get("small")?.name).toBe("small");
    expect(pools.get("tiny")).toBeUndefined();
    expect(pools.all().map(({ name }) => name)).toEqual(["large", "small"]);
  });

  it("gives each pool its own endpoints, health and signs, even for one id in both", async () => {
    const { pools, checks } = openPools(large, small);
    pools.setMembers("large", [specOf("a"), specOf("b")]);
    pools.setMembers("small", [specOf("a", { port: 9000 }), specOf("b", { port: 9000 })]);
    checks.answerAll("passed");
    pools.connectFailed("small", "a" as EndpointId);
    pools.serverError("small", "b" as EndpointId);
    pools.connectFailed("tiny", "a" as EndpointId);
    pools.serverError("tiny", "a" as EndpointId);
    await pools.ranked();
    const states = pools.all().map(({ endpoints }) => endpoints.map(({ state }) => state).join());
    expect(states).toEqual(["ready,ready", "down,ready"]);
    expect(checks.broughtForward).toEqual(["10.0.0.1:9000", "10.0.0.2:9000"]);
  });

  it("is ready when every pool is", async () => {
    const { pools, checks } = openPools(large, small);
    pools.setMembers("large", [specOf("a")]);
    checks.answerAll("passed");
    await pools.ranked();
    expect(pools.isReady).toBe(false);
    pools.setMembers("small", []);
    await pools.ranked();
    expect(pools.isReady).toBe(true);
    await expect(pools.ready()).resolves.toBeUndefined();
  });

  it("closes every pool, and again without harm", async () => {
    const { pools, checks, clock } = openPools(large, small);
    pools.setMembers("large", [specOf("a", { isDraining: true })]);
    pools.setMembers("small", [specOf("b")]);
    await pools.close();
    await pools.close();
    expect([checks.running.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  it("calls a list for a pool that does not exist a bug", () => {
    expect(() => openPools(other).pools.setMembers("tiny", [])).toThrow("there is no pool tiny");
  });
});
