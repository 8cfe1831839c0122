import { describe, expect, it } from "vitest";

import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import { buildRing } from "../../src/affinity/ring-build.ts";
import { createRingRouter } from "../../src/affinity/router.ts";
import { createHash64 } from "../../src/hash.ts";
import { atOnce, describeDecision, fallbackIds, requestOf } from "../support/decisions.ts";
import { poolOf } from "../support/pool-snapshots.ts";

const router = createRingRouter({ fallbacks: 2 });
const hash = await createHash64();

function route(pool: PoolSnapshot, session: string, subset?: readonly string[]): string {
  return describeDecision(atOnce(router.route(requestOf(pool, session, subset))));
}

/** Where 1,000 sessions are served, on the real ring. */
function homes(sketches: Parameters<typeof poolOf>[0]): string[] {
  const pool = poolOf(sketches, {
    ringOf: (members) => buildRing(members, { slots: 4_096, hash }),
  });
  return Array.from({ length: 1_000 }, (_, n) => route(pool, `session-${n}`));
}

describe("the ring router", () => {
  it("serves a session at its slot's first ready rank, without a binding", () => {
    const decision = atOnce(router.route(requestOf(poolOf({ a: {}, b: {}, c: {} }), "s1")));
    expect(describeDecision(decision)).toBe("placed b");
    expect(decision).toMatchObject({ generation: 0 });
    expect(fallbackIds(decision)).toBe("c,a");
  });

  it("serves the same session at the same endpoint every time, and different ones at several [R1]", () => {
    const first = homes({ a: {}, b: {}, c: {} });
    expect(homes({ a: {}, b: {}, c: {} })).toEqual(first);
    expect(new Set(first)).toEqual(new Set(["placed a", "placed b", "placed c"]));
  });

  it("moves only a lost endpoint's sessions, and takes them home on recovery [R2] [R3]", () => {
    const all = homes({ a: {}, b: {}, c: {}, d: {} });
    const lost = homes({ a: {}, b: { state: "down" }, c: {}, d: {} });
    const moved = all.filter((home, n) => home !== lost[n]);
    expect(new Set(moved)).toEqual(new Set(["placed b"]));
    expect(lost).not.toContain("placed b");
    expect(homes({ a: {}, b: {}, c: {}, d: {} })).toEqual(all);
  });

  it("takes sessions only for an endpoint that joins, and gives them back when it leaves [R7]", () => {
    const three = homes({ a: {}, b: {}, c: {} });
    const four = homes({ a: {}, b: {}, c: {}, d: {} });
    const changed = four.filter((home, n) => home !== three[n]);
    expect(new Set(changed)).toEqual(new Set(["placed d"]));
    expect(changed.length).toBeLessThan(350);
    expect(homes({ a: {}, b: {}, c: {} })).toEqual(three);
  });

  it("takes draining for lost", () => {
    const pool = poolOf({ a: { state: "draining" }, b: {}, c: {} });
    expect(route(pool, "s0")).toBe("placed b");
  });

  it("knows no load", () => {
    const pool = poolOf({ a: {}, b: {} });
    const served = Array.from({ length: 100 }, () => route(pool, "s0"));
    expect(new Set(served)).toEqual(new Set(["placed a"]));
  });

  it("serves a subset and refuses as the sticky router does [R4] [R5]", () => {
    const pool = poolOf({ a: {}, b: {}, c: { state: "down" } });
    expect(route(pool, "s0", ["10.0.0.2"])).toBe("placed b");
    expect(route(pool, "s0", ["10.0.0.3"])).toBe("refused subset_no_match");
    expect(route(pool, "s0", [])).toBe("refused subset_empty");
    expect(route(poolOf({}), "s0")).toBe("refused no_endpoints");
    expect(route(poolOf({ a: { state: "down" } }), "s0")).toBe("refused no_ready_endpoint");
  });

  it("has no sessions to show or to end, and nothing to correct", () => {
    const pool = poolOf({ a: {}, b: {} });
    const request = requestOf(pool, "s0");
    const decision = atOnce(router.route(request));
    const [, b] = pool.endpoints;
    expect(router.correct(request, decision, b ?? expect.unreachable())).toBeUndefined();
    expect(atOnce(router.inspect(pool, "", "s0"))).toEqual({ binding: undefined, next: decision });
    expect(router.release(pool, "", "s0")).toBe(false);
  });
});
