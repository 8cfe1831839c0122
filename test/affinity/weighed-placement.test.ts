/** Where sessions go when it matters to them which endpoint they get. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { Binding, BindingStore, LoadView } from "../../src/affinity/binding-store.ts";
import type { Decision, RouteRequest } from "../../src/affinity/decision.ts";
import { decide, decideUnbound, isChoosing } from "../../src/affinity/placement.ts";
import { STORED_RANKS } from "../../src/affinity/ring.ts";
import { createRingRouter, createStickyRouter } from "../../src/affinity/router.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import type { Endpoint, EndpointId } from "../../src/endpoints/endpoint.ts";
import { atOnce, describeDecision, fallbackIds, requestOf } from "../support/decisions.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { failingAt } from "../support/flaky-store.ts";
import { plainRing } from "../support/plain-ring.ts";
import { poolOf } from "../support/pool-snapshots.ts";

const rules = { loadFactor: 1.25, fallbacks: 2 };
const four = poolOf({ a: {}, b: {}, c: {}, d: {} });

type Numbers = Readonly<Record<string, number>>;

/** Endpoints that are not named cost 9. */
function weighed(request: RouteRequest, costs: Numbers): RouteRequest {
  return { ...request, costMs: ({ id }) => costs[id] ?? 9 };
}

function loadOf(sessions: Numbers): LoadView {
  return {
    total: () => Object.values(sessions).reduce((sum, count) => sum + count, 0),
    on: (endpoint) => sessions[endpoint] ?? 0,
  };
}

function boundTo(endpoint: string): Binding {
  const id = endpoint as EndpointId;
  return { pool: "default", endpoint: id, generation: 3, reason: "placed", expiresAtMs: 1 };
}

/** The session s0, of which the ring says a, b, c, d. */
function decided(costs: Numbers, sessions: Numbers = {}): Decision {
  const request = weighed(requestOf(four, "s0"), costs);
  return decide({ request, binding: undefined, load: loadOf(sessions) }, rules);
}

describe("a new session that costs more here than there", () => {
  it("goes where it costs least, and its fallbacks follow the ring from there", () => {
    const decision = decided({ c: 1 });
    expect(describeDecision(decision)).toBe("weighed c");
    expect(fallbackIds(decision)).toBe("d,a");
  });

  it("is placed as ever where the ring's first costs no more than any", () => {
    expect(describeDecision(decided({ a: 1, c: 1 }))).toBe("placed a");
  });

  it("goes to the first rank of those that cost the same", () => {
    expect(describeDecision(decided({ b: 1, d: 1 }))).toBe("weighed b");
  });

  it("passes by the cheapest that has its share already", () => {
    // 8 sessions: ceil(1.25 * 9 / 4) = 3.
    expect(describeDecision(decided({ c: 1, d: 2 }, { a: 2, b: 2, c: 3, d: 1 }))).toBe("weighed d");
    expect(describeDecision(decided({ a: 1 }, { a: 3, b: 2, c: 2, d: 1 }))).toBe("spilled b");
  });

  it("goes to the cheapest however late the ring has it, and no rank is asked for that a ring would have to work out", () => {
    const ids = Array.from("abcdefghijklmnop");
    const ringOf: typeof plainRing = (members) => {
      const ring = plainRing(members);
      const memberAt = (slot: number, rank: number) =>
        rank < STORED_RANKS ? ring.memberAt(slot, rank) : expect.unreachable();
      return { ...ring, memberAt };
    };
    const pool = poolOf(Object.fromEntries(ids.map((id) => [id, {}])), { ringOf });
    const request = weighed(requestOf(pool, "s0"), { p: 1 });
    const decision = decide({ request, binding: undefined, load: loadOf({}) }, rules);
    expect(describeDecision(decision)).toBe("weighed p");
    expect(fallbackIds(decision)).toBe("a,b");
  });

  it("goes by the ring where no cost is a number", () => {
    expect(describeDecision(decided({ a: NaN, b: NaN, c: NaN, d: NaN }))).toBe("placed a");
  });
});

describe("a session that lost its endpoint", () => {
  it("goes where it costs least", () => {
    const pool = poolOf({ a: {}, b: { state: "down" }, c: {}, d: {} });
    const request = weighed(requestOf(pool, "s0"), { d: 1 });
    const decision = decide({ request, binding: boundTo("b"), load: loadOf({}) }, rules);
    expect(describeDecision(decision)).toBe("moved d");
    expect(decision).toMatchObject({ generation: 3 });
  });
});

const endpoint = fc.record({
  state: fc.constantFrom("ready", "ready", "ready", "draining", "down"),
  weight: fc.constantFrom(0, 1, 1, 2, 5),
  sessions: fc.nat(6),
  cost: fc.nat(3),
});
const situation = fc
  .record({
    // More than a ring stores the ranks of.
    endpoints: fc.array(endpoint, { maxLength: 12 }),
    session: fc.string({ maxLength: 4 }),
    bound: fc.option(fc.nat(14), { nil: undefined }),
    subset: fc.option(fc.array(fc.nat(12), { maxLength: 6 }), { nil: undefined }),
  })
  .map(({ endpoints, session, bound, subset }) => {
    const named = endpoints.map((each, at) => [`e${at}`, each] as const);
    const pool = poolOf(Object.fromEntries(named));
    const sessions = Object.fromEntries(named.map(([id, each]) => [id, each.sessions]));
    const costs = Object.fromEntries(named.map(([id, { cost }]) => [id, cost]));
    const hint = subset?.map((at) => `10.0.0.${at + 1}`);
    const binding = bound === undefined ? undefined : boundTo(`e${bound}`);
    return { request: requestOf(pool, session, hint), load: loadOf(sessions), binding, costs };
  });

/** Below their share of the sessions, by the words of the rule. */
function underLimit({ pool, subset }: RouteRequest, load: LoadView): readonly Endpoint[] {
  const all = pool.endpoints.filter(({ state, weight, host }) => {
    return state === "ready" && weight > 0 && (subset === undefined || subset.includes(host));
  });
  const weights = all.reduce((sum, { weight }) => sum + weight, 0);
  const counted = all.reduce((sum, { id }) => sum + load.on(id), 0);
  const sessions = subset === undefined ? load.total() : counted;
  return all.filter(({ id, weight }) => {
    return load.on(id) < Math.ceil(((rules.loadFactor * (sessions + 1)) / weights) * weight);
  });
}

describe("whatever the pool", () => {
  it("equal costs leave each decision as the ring and the load have it", () => {
    fc.assert(
      fc.property(situation, fc.double(), ({ request, binding, load }, cost) => {
        const equal = { ...request, costMs: () => cost };
        const decision = decide({ request, binding, load }, rules);
        expect(decide({ request: equal, binding, load }, rules)).toEqual(decision);
      }),
    );
  });

  it("what is chosen is under its limit where any is, and none of those under theirs costs less", () => {
    fc.assert(
      fc.property(situation, ({ request, load, costs }) => {
        const free = underLimit(request, load);
        fc.pre(free.length > 0);
        const asked = { request: weighed(request, costs), binding: undefined, load };
        const decision = decide(asked, rules);
        const chosen = decision.kind === "refused" ? expect.unreachable() : decision.endpoint;
        expect(free).toContain(chosen);
        const least = Math.min(...free.map(({ id }) => costs[id] ?? 0));
        expect(costs[chosen.id]).toBe(least);
      }),
    );
  });

  it("a session that is bound stays, at whatever cost, and nothing is weighed for it", () => {
    fc.assert(
      fc.property(situation, ({ request, binding, load, costs }) => {
        fc.pre(!isChoosing(request.pool, binding));
        const without = decide({ request, binding, load }, rules);
        expect(decide({ request: weighed(request, costs), binding, load }, rules)).toEqual(without);
        const costMs = () => expect.unreachable();
        expect(decide({ request: { ...request, costMs }, binding, load }, rules)).toEqual(without);
      }),
    );
  });

  it("a session without a binding of its own goes by the ring", () => {
    fc.assert(
      fc.property(situation, ({ request, costs }) => {
        const unbound = decideUnbound(request, rules.fallbacks);
        expect(decideUnbound(weighed(request, costs), rules.fallbacks)).toEqual(unbound);
      }),
    );
  });
});

describe("a router", () => {
  function openStore(): BindingStore {
    const observer = { evicted: () => undefined, moved: () => undefined };
    const clock = new FakeClock();
    return new MemoryBindings({ clock, maxSessions: 1_000, ttlMs: 1_000, observer });
  }

  function stickyOver(store: BindingStore) {
    const observer = { storeFailed: () => undefined, contended: () => undefined };
    return createStickyRouter({ ...rules, store, observer });
  }

  it("chooses for a session until it is bound, and again when its endpoint is lost", () => {
    const router = stickyOver(openStore());
    const request = weighed(requestOf(four, "s0"), { c: 1 });
    expect(router.isChoosing(request)).toBe(true);
    expect(describeDecision(atOnce(router.route(request)))).toBe("weighed c");
    expect(router.isChoosing(request)).toBe(false);
    expect(describeDecision(atOnce(router.route(weighed(request, { d: 1 }))))).toBe("bound c");
    expect(atOnce(router.inspect(four, "", "s0")).binding).toMatchObject({ reason: "weighed" });
    const lost = requestOf(poolOf({ a: {}, c: { state: "down" } }), "s0");
    expect(router.isChoosing(lost)).toBe(true);
  });

  it.each(["throws", "rejects"] as const)("chooses nothing where the store %s", async (mode) => {
    const router = stickyOver(failingAt(openStore(), 1, mode));
    expect(await router.isChoosing(requestOf(four, "s0"))).toBe(false);
  });

  it("by the ring alone chooses nothing", () => {
    const router = createRingRouter(rules);
    const request = weighed(requestOf(four, "s0"), { c: 1 });
    expect(router.isChoosing(request)).toBe(false);
    expect(describeDecision(atOnce(router.route(request)))).toBe("placed a");
  });
});
