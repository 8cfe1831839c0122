/**
 * The router over a store that answers later and in any order: whoever loses a write takes what the winner wrote.
 */
import { describe, expect, it } from "vitest";

import type { BindingStore } from "../../src/affinity/binding-store.ts";
import { createStickyRouter } from "../../src/affinity/router.ts";
import type { Decision, Router, RouteRequest } from "../../src/affinity/router.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import { requestOf } from "../support/decisions.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { poolOf } from "../support/pool-snapshots.ts";
import { seededRandom } from "../support/random.ts";
import { shuffled } from "../support/shuffled-store.ts";

const abc = poolOf({ a: {}, b: {}, c: {} });
const lostA = poolOf({ a: { state: "down" }, b: {}, c: {} });
const quiet = { storeFailed: () => undefined, contended: () => undefined };

function openMemory(options: Partial<ConstructorParameters<typeof MemoryBindings>[0]> = {}) {
  const observer = { evicted: () => undefined, moved: () => undefined };
  const clock = new FakeClock();
  return new MemoryBindings({ clock, maxSessions: 10_000, ttlMs: 1_000, observer, ...options });
}

function openRouter(store: BindingStore, seed: number) {
  const rules = { loadFactor: 1.25, fallbacks: 2, observer: quiet };
  return createStickyRouter({ ...rules, store: shuffled(store, seededRandom(seed)) });
}

function routeAll(router: Router, requests: readonly RouteRequest[]): Promise<Decision[]> {
  return Promise.all(requests.map(async (request) => router.route(request)));
}

function endpointOf(decision: Decision): string {
  return decision.kind === "refused" ? decision.reason : decision.endpoint.id;
}

describe("concurrent requests of one session", () => {
  it("all get the endpoint of the first, in 200 orders [B15]", async () => {
    const kinds = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      // Other sessions fill endpoint a meanwhile, so the eight want a or b, depending on when they look.
      const busy = Array.from({ length: 6 }, (_, n) => requestOf(abc, `busy${3 * n}`));
      const eight = Array.from({ length: 8 }, () => requestOf(abc, "s0"));
      const router = openRouter(openMemory(), seed);
      const decisions = (await routeAll(router, [...busy, ...eight])).slice(6);
      expect(new Set(decisions.map(endpointOf)).size).toBe(1);
      for (const { kind } of decisions) kinds.add(kind);
    }
    expect(kinds).toEqual(new Set(["placed", "spilled", "bound"]));
  });

  it("all move to one endpoint when theirs is lost, in 200 orders", async () => {
    for (let seed = 0; seed < 200; seed++) {
      const router = openRouter(openMemory(), seed);
      await router.route(requestOf(abc, "s0"));
      // Half of them still hold the snapshot from before the loss.
      await routeAll(
        router,
        [abc, lostA, abc, lostA, abc, lostA].map((pool) => requestOf(pool, "s0")),
      );
      const after = await router.route(requestOf(abc, "s0"));
      expect(after).toMatchObject({ kind: "bound", endpoint: { id: "b" }, generation: 2 });
    }
  });

  it("moves on from a winner that this request cannot use", async () => {
    const inner = openMemory();
    const [a, b] = abc.endpoints;
    const raced: BindingStore = {
      ...shuffled(inner, seededRandom(1)),
      claim: (key, target) => {
        inner.claim(key, { ...target, endpoint: (a ?? expect.unreachable()).id });
        return Promise.resolve(inner.claim(key, target));
      },
    };
    const router = createStickyRouter({
      store: raced,
      loadFactor: 1.25,
      fallbacks: 2,
      observer: quiet,
    });
    const decision = await router.route(requestOf(lostA, "s0"));
    expect(decision).toMatchObject({ kind: "moved", endpoint: { id: b?.id }, generation: 2 });
  });

  it("are served, unbound, when others win every try", async () => {
    const inner = openMemory();
    let moves = 0;
    let contended = 0;
    const stolen: BindingStore = {
      ...shuffled(inner, seededRandom(1)),
      lookup: (key) => Promise.resolve(inner.claim(key, targetAt("gone0"))),
      move: (key, generation) => {
        moves++;
        return Promise.resolve(inner.move(key, generation, targetAt(`gone${moves}`)));
      },
    };
    const observer = { ...quiet, contended: () => contended++ };
    const router = createStickyRouter({ store: stolen, loadFactor: 1.25, fallbacks: 2, observer });
    const decision = await router.route(requestOf(abc, "s0"));
    expect(decision).toMatchObject({ kind: "moved", endpoint: { id: "a" }, generation: 0 });
    expect([moves, contended]).toEqual([4, 1]);
  });
});

function targetAt(endpoint: string) {
  const { id } = poolOf({ [endpoint]: {} }).endpoints[0] ?? expect.unreachable();
  return { pool: "default", endpoint: id, reason: "placed" } as const;
}
