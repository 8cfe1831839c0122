/**
 * What must always hold, on the real ring: the same session gets the same endpoint while that can serve, only the sessions of a
 * lost endpoint move, and each moves once per loss. 20,000 requests of 2,000 sessions, while endpoints come and go.
 */
import fc from "fast-check";
import { expect, it } from "vitest";

import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import { buildRing } from "../../src/affinity/ring-build.ts";
import { createStickyRouter } from "../../src/affinity/router.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import { createHash64 } from "../../src/hash.ts";
import { atOnce, requestOf } from "../support/decisions.ts";
import { poolOf } from "../support/pool-snapshots.ts";
import type { EndpointSketch } from "../support/pool-snapshots.ts";
import { seededRandom } from "../support/random.ts";

const requests = 20_000;
const sessions = 2_000;
/** Requests between two changes of the pool. */
const interval = 1_000;
const hash = await createHash64();

type Change = { readonly to: "ready" | "draining" | "down" | "gone"; readonly endpoint: string };

const someChange: fc.Arbitrary<Change> = fc.record({
  to: fc.constantFrom("ready", "draining", "down", "gone"),
  endpoint: fc.constantFrom("a", "b", "c", "d", "e", "f"),
});

function openRouter() {
  const store = new MemoryBindings({
    clock: { now: () => 1 },
    maxSessions: sessions + 1,
    ttlMs: 1_000,
    observer: { evicted: () => undefined, moved: () => undefined },
  });
  const observer = { storeFailed: () => undefined, contended: () => undefined };
  return createStickyRouter({ store, loadFactor: 1.25, fallbacks: 2, observer });
}

/** Endpoint z is always ready, so that no session is ever without a place to go. */
class ChangingPool {
  readonly #sketches: Record<string, EndpointSketch> = { a: {}, b: {}, c: {}, d: {}, z: {} };
  snapshot = this.#publish();

  apply({ to, endpoint }: Change): void {
    if (to === "gone") delete this.#sketches[endpoint];
    else this.#sketches[endpoint] = { state: to };
    this.snapshot = this.#publish();
  }

  #publish(): PoolSnapshot {
    return poolOf(this.#sketches, {
      ringOf: (members) => buildRing(members, { slots: 1_024, hash }),
    });
  }
}

interface Step {
  readonly pool: PoolSnapshot;
  /** Where the session was served last. */
  readonly before: string | undefined;
  readonly kind: string;
  readonly now: string;
}

/** Judges by the rules alone; undefined where all is well. */
function findFault({ pool, before, kind, now }: Step): string | undefined {
  if (before === undefined) return kind === "placed" || kind === "spilled" ? undefined : "not new";
  const endpoint = [...pool.byId.values()].find(({ id }) => id === before);
  if (endpoint === undefined || endpoint.state === "down")
    return kind === "moved" && now !== before
      ? undefined
      : "not moved, though its endpoint is lost";
  return kind === "bound" && now === before ? undefined : "not kept";
}

/** Sends all requests, with a change of the pool before each interval but the first. Returns how many sessions moved. */
function run(changes: readonly Change[], seed: number): number {
  const random = seededRandom(seed);
  const router = openRouter();
  const pool = new ChangingPool();
  const homes = new Map<string, string>();
  let moved = 0;
  for (let n = 0; n < requests; n++) {
    const change = n % interval === 0 ? changes[n / interval - 1] : undefined;
    if (change !== undefined) pool.apply(change);
    const session = `s${Math.floor(random() * sessions)}`;
    const decision = atOnce(router.route(requestOf(pool.snapshot, session)));
    if (decision.kind === "refused") expect.fail(`request ${n} was refused`);
    const { kind } = decision;
    const now = decision.endpoint.id;
    const fault = findFault({ pool: pool.snapshot, before: homes.get(session), kind, now });
    if (fault !== undefined) expect.fail(`request ${n} of ${session}: ${kind} ${now}: ${fault}`);
    homes.set(session, now);
    if (kind === "moved") moved++;
  }
  return moved;
}

it("is 100 % while endpoints come and go; only sessions of lost endpoints move, once per loss [R6] [R7]", () => {
  let moved = 0;
  const changes = fc.array(someChange, { minLength: 19, maxLength: 19 });
  fc.assert(
    fc.property(changes, fc.nat(), (each, seed) => {
      moved += run(each, seed);
    }),
    { numRuns: 5, seed: 20_260 },
  );
  expect(moved).toBeGreaterThan(1_000);
});
