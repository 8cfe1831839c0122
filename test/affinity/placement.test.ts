import { describe, expect, it } from "vitest";

import type { Binding, LoadView } from "../../src/affinity/binding-store.ts";
import { decide, decideUnbound, slotKey } from "../../src/affinity/placement.ts";
import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import { describeDecision, fallbackIds, requestOf } from "../support/decisions.ts";
import { poolOf } from "../support/pool-snapshots.ts";

const rules = { loadFactor: 1.25, fallbacks: 2 };
const four = poolOf({ a: {}, b: {}, c: {}, d: {} });

function loadOf(sessions: Readonly<Record<string, number>>): LoadView {
  return {
    total: () => Object.values(sessions).reduce((sum, count) => sum + count, 0),
    on: (endpoint) => sessions[endpoint] ?? 0,
  };
}

function boundTo(endpoint: string, generation = 1): Binding {
  const { id } = poolOf({ [endpoint]: {} }).endpoints[0] ?? expect.unreachable();
  return { pool: "default", endpoint: id, generation, reason: "placed", expiresAtMs: 1 };
}

interface Case {
  readonly pool?: PoolSnapshot;
  readonly session?: string;
  readonly subset?: readonly string[];
  readonly binding?: Binding;
  readonly sessions?: Readonly<Record<string, number>>;
}

function decideCase({ pool = four, session = "s0", subset, binding, sessions = {} }: Case) {
  const request = requestOf(pool, session, subset);
  return decide({ request, binding, load: loadOf(sessions) }, rules);
}

function decided(example: Case): string {
  return describeDecision(decideCase(example));
}

describe("a new session", () => {
  it("goes to the first rank of its slot [A4] [A5] [B11]", () => {
    expect(decided({ session: "s0" })).toBe("placed a");
    expect(decided({ session: "s2" })).toBe("placed c");
  });

  it("walks past endpoints that are draining, down or without weight", () => {
    const pool = poolOf({
      a: { state: "down" },
      b: { state: "draining" },
      c: { weight: 0 },
      d: {},
    });
    expect(decided({ pool })).toBe("placed d");
  });

  it("carries generation 0 until it is bound", () => {
    expect(decideCase({})).toMatchObject({ generation: 0 });
  });
});

describe("bounded load", () => {
  // 8 sessions: ceil(1.25 * 9 * 1 / 4) = 3 for each of the four.
  it("takes a session at one below the limit", () => {
    expect(decided({ sessions: { a: 2, b: 2, c: 2, d: 2 } })).toBe("placed a");
  });

  it("spills to the next rank at the limit", () => {
    expect(decided({ sessions: { a: 3, b: 2, c: 2, d: 1 } })).toBe("spilled b");
  });

  it("spills past every rank that is at its limit", () => {
    expect(decided({ sessions: { a: 3, b: 3, c: 0, d: 2 } })).toBe("spilled c");
  });

  it("gives a weight its share", () => {
    const pool = poolOf({ a: { weight: 3 }, b: {} });
    // 15 sessions: ceil(1.25 * 16 * 3 / 4) = 15.
    expect(decided({ pool, sessions: { a: 14, b: 1 } })).toBe("placed a");
    expect(decided({ pool, sessions: { a: 15, b: 0 } })).toBe("spilled b");
  });

  it("calls it placed where the first rank cannot take sessions at all", () => {
    const pool = poolOf({ a: { state: "down" }, b: {}, c: {} });
    expect(decided({ pool })).toBe("placed b");
  });

  it("shares out among what a subset allows, whatever the rest of the pool holds", () => {
    const subset = ["10.0.0.1", "10.0.0.2"];
    // 3 sessions on a and b: ceil(1.25 * 4 / 2) = 3.
    expect(decided({ subset, sessions: { a: 2, b: 1, c: 100 } })).toBe("placed a");
    expect(decided({ subset, sessions: { a: 3, b: 0, c: 100 } })).toBe("spilled b");
  });

  it("takes the first rank where a lagging view shows nobody under the limit", () => {
    const load: LoadView = { total: () => 0, on: () => 5 };
    const request = requestOf(four, "s1");
    expect(describeDecision(decide({ request, binding: undefined, load }, rules))).toBe("placed b");
  });
});

describe("a bound session", () => {
  it("stays at its endpoint, at the binding's generation [A6] [B1] [B11]", () => {
    const decision = decideCase({ binding: boundTo("c", 4) });
    expect(describeDecision(decision)).toBe("bound c");
    expect(decision).toMatchObject({ generation: 4 });
  });

  it("stays however loaded its endpoint is [B14]", () => {
    expect(decided({ binding: boundTo("c"), sessions: { c: 1_000 } })).toBe("bound c");
  });

  it("stays while its endpoint is draining", () => {
    const pool = poolOf({ a: {}, b: { state: "draining" } });
    expect(decided({ pool, binding: boundTo("b") })).toBe("bound b");
  });

  it("stays when its endpoint's weight becomes 0", () => {
    const pool = poolOf({ a: {}, b: { weight: 0 } });
    expect(decided({ pool, binding: boundTo("b") })).toBe("bound b");
  });

  it("moves to its slot's first eligible rank when its endpoint is gone [A7] [B13]", () => {
    const pool = poolOf({ a: {}, b: {}, d: {} });
    const decision = decideCase({ pool, session: "s1", binding: boundTo("c", 3) });
    expect(describeDecision(decision)).toBe("moved b");
    expect(decision).toMatchObject({ generation: 3 });
  });

  it("moves when its endpoint is down", () => {
    const pool = poolOf({ a: { state: "down" }, b: {}, c: {} });
    expect(decided({ pool, binding: boundTo("a") })).toBe("moved b");
  });

  it("moves within the load bound", () => {
    const pool = poolOf({ a: { state: "down" }, b: {}, c: {} });
    // 8 sessions: ceil(1.25 * 9 / 2) = 6.
    expect(decided({ pool, binding: boundTo("a"), sessions: { a: 1, b: 6, c: 1 } })).toBe(
      "moved c",
    );
  });

  it("is refused when its endpoint is lost and there is no other", () => {
    const pool = poolOf({ a: { state: "down" }, b: { state: "draining" } });
    expect(decided({ pool, binding: boundTo("a") })).toBe("refused no_ready_endpoint");
  });
});

describe("a subset hint", () => {
  it("keeps a new session inside [C8]", () => {
    expect(decided({ subset: ["10.0.0.3:8000", "10.0.0.4:8000"] })).toBe("placed c");
  });

  it("of one endpoint beats the ring and the load [C9] [R5]", () => {
    expect(decided({ subset: ["10.0.0.4"], sessions: { a: 0, d: 50 } })).toBe("placed d");
  });

  it("keeps a bound session where it allows that", () => {
    expect(decided({ subset: ["10.0.0.1", "10.0.0.3"], binding: boundTo("c") })).toBe("bound c");
  });

  it("serves a bound session elsewhere, without a binding, where it excludes the endpoint [B14]", () => {
    const decision = decideCase({ subset: ["10.0.0.2"], binding: boundTo("c", 5) });
    expect(describeDecision(decision)).toBe("placed b");
    expect(decision).toMatchObject({ generation: 0 });
  });

  it("serves a detour at the same rank whatever the load", () => {
    const detour = { subset: ["10.0.0.1", "10.0.0.2"], binding: boundTo("c") };
    expect(decided({ ...detour, sessions: { a: 50 } })).toBe("placed a");
  });

  it("limits the fallbacks too", () => {
    expect(fallbackIds(decideCase({ subset: ["10.0.0.1", "10.0.0.4"] }))).toBe("d");
  });

  it("that is empty is refused as empty [L7]", () => {
    expect(decided({ subset: [] })).toBe("refused subset_empty");
    expect(decided({ subset: [" , "], binding: boundTo("a") })).toBe("refused subset_empty");
  });

  it("that names nothing ready is refused as no match [L9] [R5]", () => {
    const pool = poolOf({ a: { state: "down" }, b: { state: "draining" }, c: {} });
    expect(decided({ pool, subset: ["10.9.9.9"] })).toBe("refused subset_no_match");
    expect(decided({ pool, subset: ["10.0.0.1", "10.0.0.2"] })).toBe("refused subset_no_match");
  });
});

describe("a refusal", () => {
  it("of an empty pool says so [A8] [B4] [B11] [R4]", () => {
    expect(decideCase({ pool: poolOf({}) })).toEqual({
      kind: "refused",
      reason: "no_endpoints",
    });
  });

  it("says when nothing in the pool is ready, or has weight [R4]", () => {
    const drained = poolOf({ a: { state: "down" }, b: { state: "draining" } });
    expect(decided({ pool: drained })).toBe("refused no_ready_endpoint");
    expect(decided({ pool: poolOf({ a: { weight: 0 } }) })).toBe("refused no_ready_endpoint");
  });
});

describe("fallbacks", () => {
  it("are the next ranks, going round to those before the chosen one", () => {
    expect(fallbackIds(decideCase({ session: "s0" }))).toBe("b,c");
    expect(fallbackIds(decideCase({ session: "s0", binding: boundTo("c") }))).toBe("d,a");
    expect(fallbackIds(decideCase({ session: "s0", binding: boundTo("d") }))).toBe("a,b");
  });

  it("leave out what is not ready", () => {
    const pool = poolOf({ a: {}, b: { state: "down" }, c: { state: "draining" }, d: {} });
    expect(fallbackIds(decideCase({ pool }))).toBe("d");
  });

  it("start at the slot's best for an endpoint that is not on the ring", () => {
    const pool = poolOf({ a: {}, b: {}, c: {}, z: { weight: 0 } });
    expect(fallbackIds(decideCase({ pool, session: "s1", binding: boundTo("z") }))).toBe("b,c");
  });

  it("start at the slot's best for an endpoint deeper than the stored ranks", () => {
    const pool = poolOf(Object.fromEntries("abcdefghijkl".split("").map((id) => [id, {}])));
    expect(fallbackIds(decideCase({ pool, binding: boundTo("h") }))).toBe("i,j");
    expect(fallbackIds(decideCase({ pool, binding: boundTo("i") }))).toBe("a,b");
  });

  it("are none where none are asked for, and all others at most", () => {
    const request = requestOf(four, "s0");
    expect(fallbackIds(decideUnbound(request, 0))).toBe("");
    expect(fallbackIds(decideUnbound(request, 7))).toBe("b,c,d");
  });
});

describe("slotKey", () => {
  it("is the session id alone without a tenant, and never mixes two tenants up", () => {
    expect(slotKey("", "s1")).toBe("s1");
    expect(slotKey("t", "s1")).toBe("t\0s1");
    expect(slotKey("t1", "s")).not.toBe(slotKey("t", "1s"));
  });
});
