import { describe, expect, it } from "vitest";

import { bindingKey } from "../../src/affinity/binding-store.ts";
import type { BindingStore } from "../../src/affinity/binding-store.ts";
import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import { createStickyRouter } from "../../src/affinity/router.ts";
import type { Decision } from "../../src/affinity/router.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import { atOnce, describeDecision, requestOf } from "../support/decisions.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { failingAt } from "../support/flaky-store.ts";
import type { FailureMode } from "../support/flaky-store.ts";
import { poolOf } from "../support/pool-snapshots.ts";

const ttlMs = 1_000;
const abc = poolOf({ a: {}, b: {}, c: {} });
const withoutA = poolOf({ a: { state: "down" }, b: {}, c: {} });

function openMemory() {
  const clock = new FakeClock();
  const observer = { evicted: () => undefined, moved: () => undefined };
  return { clock, store: new MemoryBindings({ clock, maxSessions: 1_000, ttlMs, observer }) };
}

function openRouter(store: BindingStore) {
  const log: string[] = [];
  const router = createStickyRouter({
    store,
    loadFactor: 1.25,
    fallbacks: 2,
    observer: {
      storeFailed: (call) => log.push(`${call} failed`),
      contended: () => log.push("contended"),
    },
  });
  return { router, log };
}

/** A router over memory, and a way to send one request of a session through it. */
function openSticky() {
  const { clock, store } = openMemory();
  const { router, log } = openRouter(store);
  const send = (pool: PoolSnapshot, session: string, subset?: readonly string[]): Decision =>
    atOnce(router.route(requestOf(pool, session, subset)));
  const route = (...args: Parameters<typeof send>): string => describeDecision(send(...args));
  return { clock, store, router, log, send, route };
}

describe("over a store that answers at once", () => {
  it("binds a session at its first request and serves the next ones there [A6] [A11] [A17] [B12]", () => {
    const { route } = openSticky();
    expect(route(abc, "s1")).toBe("placed b");
    expect(route(abc, "s1")).toBe("bound b");
    expect(route(abc, "s1")).toBe("bound b");
  });

  it("serves a minted id that the client sends back where it was first served [A18]", () => {
    const { route, send } = openSticky();
    const minted = "3b241101-e2bb-4255-8caf-4136c566a962";
    const first = send(abc, minted);
    expect(route(abc, minted)).toBe(describeDecision(first).replace("placed", "bound"));
  });

  it("carries the generation of the binding", () => {
    const { send } = openSticky();
    const generations = [send(abc, "s0"), send(abc, "s0"), send(withoutA, "s0")].map((decision) =>
      decision.kind === "refused" ? undefined : decision.generation,
    );
    expect(generations).toEqual([1, 1, 2]);
  });

  it("moves a session whose endpoint is lost, once, and leaves it there on recovery [A7] [A14] [B13] [R3] [R6]", () => {
    const { route } = openSticky();
    expect(route(abc, "s0")).toBe("placed a");
    expect(route(withoutA, "s0")).toBe("moved b");
    expect(route(withoutA, "s0")).toBe("bound b");
    expect(route(abc, "s0")).toBe("bound b");
  });

  it("moves no session when an endpoint joins [R6] [R7]", () => {
    const { route } = openSticky();
    const ab = poolOf({ a: {}, b: {} });
    const before = ["s0", "s1", "s2", "s3"].map((session) => route(ab, session));
    const after = ["s0", "s1", "s2", "s3"].map((session) => route(abc, session));
    expect(before).toEqual(["placed a", "placed b", "placed a", "placed b"]);
    expect(after).toEqual(["bound a", "bound b", "bound a", "bound b"]);
  });

  it("keeps a session at a draining endpoint, and gives that no other", () => {
    const { route } = openSticky();
    const draining = poolOf({ a: { state: "draining" }, b: {}, c: {} });
    expect(route(abc, "s0")).toBe("placed a");
    expect(route(draining, "s0")).toBe("bound a");
    expect(route(draining, "s3")).toBe("placed b");
  });

  it("spills at the limit, and keeps the session where it spilled", () => {
    const { route } = openSticky();
    const ab = poolOf({ a: {}, b: {} });
    // With n sessions the limit is ceil(1.25 * (n + 1) / 2): 1, 2, 2, 3 for n = 0, 1, 2, 3.
    expect(route(ab, "s0")).toBe("placed a");
    expect(route(ab, "s2")).toBe("placed a");
    expect(route(ab, "s4")).toBe("spilled b");
    expect(route(ab, "s4")).toBe("bound b");
  });

  it("leaves the binding alone when a subset sends one request elsewhere [B14]", () => {
    const { route, log } = openSticky();
    expect(route(abc, "s0")).toBe("placed a");
    expect(route(abc, "s0", ["10.0.0.2"])).toBe("placed b");
    expect(route(abc, "s0")).toBe("bound a");
    expect(log).toEqual([]);
  });

  it("binds a new session inside its subset", () => {
    const { route } = openSticky();
    expect(route(abc, "s0", ["10.0.0.3"])).toBe("placed c");
    expect(route(abc, "s0")).toBe("bound c");
  });

  it("binds nothing when it refuses", () => {
    const { route, store } = openSticky();
    expect(route(poolOf({}), "s0")).toBe("refused no_endpoints");
    expect(route(abc, "s0", [])).toBe("refused subset_empty");
    expect(store.size).toBe(0);
  });

  it("keeps a session alive by its requests, and forgets it a TTL after the last [A20] [B16]", async () => {
    const { route, clock } = openSticky();
    expect(route(abc, "s0", ["10.0.0.3"])).toBe("placed c");
    await clock.advance(ttlMs - 1);
    expect(route(abc, "s0")).toBe("bound c");
    await clock.advance(ttlMs - 1);
    expect(route(abc, "s0")).toBe("bound c");
    await clock.advance(ttlMs);
    expect(route(abc, "s0")).toBe("placed a");
  });

  it("binds one session of two tenants, or in two pools, apart", () => {
    const { router, store } = openSticky();
    const other = poolOf({ a: {}, b: {}, c: {} }, { name: "other" });
    atOnce(router.route({ ...requestOf(abc, "s0"), tenant: "t" }));
    atOnce(router.route(requestOf(abc, "s0")));
    atOnce(router.route(requestOf(other, "s0")));
    expect(store.size).toBe(3);
  });
});

describe("a correction", () => {
  it("rebinds to the offered endpoint that served", () => {
    const { router, send, route } = openSticky();
    const decision = send(abc, "s0");
    const [, b] = abc.endpoints;
    atOnce(router.correct(requestOf(abc, "s0"), decision, b ?? expect.unreachable()));
    expect(route(abc, "s0")).toBe("bound b");
  });

  it("never rebinds to an endpoint that was not offered", () => {
    const { router, send, route } = openSticky();
    const four = poolOf({ a: {}, b: {}, c: {}, d: {} });
    const decision = send(four, "s0");
    const [a, , , d] = four.endpoints;
    atOnce(router.correct(requestOf(four, "s0"), decision, d ?? expect.unreachable()));
    atOnce(router.correct(requestOf(four, "s0"), decision, a ?? expect.unreachable()));
    expect(send(four, "s0")).toMatchObject({ generation: 1 });
    expect(route(four, "s0")).toBe("bound a");
  });

  it("comes to nothing when the session has moved since", () => {
    const { router, send, route } = openSticky();
    const decision = send(abc, "s0");
    expect(route(withoutA, "s0")).toBe("moved b");
    const [, , c] = abc.endpoints;
    atOnce(router.correct(requestOf(abc, "s0"), decision, c ?? expect.unreachable()));
    expect(route(abc, "s0")).toBe("bound b");
  });

  it("comes to nothing when the session was ended since, and bound anew elsewhere", () => {
    const { router, send, route } = openSticky();
    const decision = send(abc, "s0");
    atOnce(router.release(abc, "", "s0"));
    expect(route(poolOf({ a: {}, b: {}, c: {} }), "s0", ["10.0.0.2"])).toBe("placed b");
    const [, , c] = abc.endpoints;
    atOnce(router.correct(requestOf(abc, "s0"), decision, c ?? expect.unreachable()));
    expect(route(abc, "s0")).toBe("bound b");
  });

  it("comes to nothing for a detour or a refusal", () => {
    const { router, send, route, store } = openSticky();
    send(abc, "s0");
    const detour = send(abc, "s0", ["10.0.0.2", "10.0.0.3"]);
    const [, b, c] = abc.endpoints;
    atOnce(router.correct(requestOf(abc, "s0"), detour, c ?? expect.unreachable()));
    expect(route(abc, "s0")).toBe("bound a");
    const refused = send(abc, "s1", []);
    atOnce(router.correct(requestOf(abc, "s1"), refused, b ?? expect.unreachable()));
    expect(store.size).toBe(1);
  });
});

describe("a correction of a decision that could not be bound", () => {
  it("binds nothing", () => {
    const { store } = openMemory();
    const { router } = openRouter(failingAt(store, 1, "throws"));
    const request = requestOf(abc, "s0");
    const decision = atOnce(router.route(request));
    atOnce(router.correct(request, decision, abc.endpoints[1] ?? expect.unreachable()));
    expect(store.size).toBe(0);
  });
});

describe("the session desk", () => {
  it("shows a binding and what the next request would get", () => {
    const { router, send } = openSticky();
    send(abc, "s0");
    const now = atOnce(router.inspect(abc, "", "s0"));
    expect(now.binding).toMatchObject({ endpoint: "a", generation: 1, reason: "placed" });
    expect(describeDecision(now.next)).toBe("bound a");
    expect(describeDecision(atOnce(router.inspect(withoutA, "", "s0")).next)).toBe("moved b");
  });

  it("binds nothing by looking, and slides no expiry", async () => {
    const { router, store, send, clock } = openSticky();
    const unknown = atOnce(router.inspect(abc, "", "s1"));
    expect(unknown.binding).toBeUndefined();
    expect(describeDecision(unknown.next)).toBe("placed b");
    expect(store.size).toBe(0);
    send(abc, "s0");
    await clock.advance(ttlMs - 1);
    atOnce(router.inspect(abc, "", "s0"));
    await clock.advance(1);
    expect(atOnce(router.inspect(abc, "", "s0")).binding).toBeUndefined();
  });

  it("ends a session", () => {
    const { router, route } = openSticky();
    expect(route(abc, "s0", ["10.0.0.3"])).toBe("placed c");
    expect(router.release(abc, "", "s0")).toBe(true);
    expect(router.release(abc, "", "s0")).toBe(false);
    expect(route(abc, "s0")).toBe("placed a");
  });
});

describe.each<FailureMode>(["throws", "rejects"])("over a store that %s", (mode) => {
  /** Fails each call of one operation in turn until none is left to fail; returns what was served each time. */
  async function failEachCall(
    prepare: (store: BindingStore) => void,
    operate: (store: BindingStore) => Promise<string>,
  ): Promise<string[]> {
    const served: string[] = [];
    for (let failing = 1; ; failing++) {
      const { store } = openMemory();
      prepare(store);
      const flaky = failingAt(store, failing, mode);
      served.push(await operate(flaky));
      if (flaky.calls < failing) return served;
    }
  }

  async function serve(store: BindingStore, pool: PoolSnapshot): Promise<string> {
    const { router, log } = openRouter(store);
    const decision = await router.route(requestOf(pool, "s0"));
    const generation = decision.kind === "refused" ? "-" : decision.generation;
    return [`${describeDecision(decision)} @${generation}`, ...log].join(", ");
  }

  const bindToC = (store: BindingStore): void => {
    const key = bindingKey("default", "", "s0");
    const { id } = abc.endpoints[2] ?? expect.unreachable();
    atOnce(store.claim(key, { pool: "default", endpoint: id, reason: "placed" }));
  };

  it("serves a first request at every failure, unbound", async () => {
    const served = await failEachCall(
      () => undefined,
      (store) => serve(store, abc),
    );
    expect(served).toEqual([
      "placed a @0, lookup failed",
      "placed a @0, claim failed",
      "placed a @1",
    ]);
  });

  it("serves a bound session at its endpoint once the binding is known", async () => {
    const served = await failEachCall(bindToC, (store) => serve(store, abc));
    expect(served).toEqual([
      "placed a @0, lookup failed",
      "bound c @1, extend failed",
      "bound c @1",
    ]);
  });

  it("serves a session of a lost endpoint at every failure", async () => {
    const withoutC = poolOf({ a: {}, b: {}, c: { state: "down" } });
    const served = await failEachCall(bindToC, (store) => serve(store, withoutC));
    expect(served).toEqual(["placed a @0, lookup failed", "moved a @0, move failed", "moved a @2"]);
  });

  it.each([1, 2])("takes a correction that fails at call %i for none", async (failing) => {
    const { store } = openMemory();
    bindToC(store);
    const request = requestOf(abc, "s0");
    const decision = atOnce(openRouter(store).router.route(request));
    const { router, log } = openRouter(failingAt(store, failing, mode));
    await router.correct(request, decision, abc.endpoints[0] ?? expect.unreachable());
    expect(log).toEqual(["move failed"]);
    expect(describeDecision(atOnce(openRouter(store).router.route(request)))).toBe("bound c");
  });
});
