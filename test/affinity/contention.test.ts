/**
 * Contention: 64 flows at once over a store that answers later and in any order, on more hot sessions than its table holds, while
 * bindings expire, are swept and are evicted, and one endpoint keeps failing.
 */
import { expect, it } from "vitest";

import type { Binding, BindingKey, BindingStore } from "../../src/affinity/binding-store.ts";
import { bindingKey } from "../../src/affinity/binding-store.ts";
import { createStickyRouter } from "../../src/affinity/router.ts";
import type { Decision } from "../../src/affinity/router.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import { requestOf } from "../support/decisions.ts";
import { poolOf } from "../support/pool-snapshots.ts";
import { seededRandom } from "../support/random.ts";
import { shuffled } from "../support/shuffled-store.ts";

const flows = 64;
const requestsPerFlow = 300;
const hotSessions = 1_000;
const maxSessions = 800;

const allUp = poolOf({ a: {}, b: {}, c: {}, d: {} });
const lostA = poolOf({ a: { state: "down" }, b: {}, c: {}, d: {} });

/** The memory store, with everything that it ever held for a session, and with time and sweeps between its calls. */
class WatchedTable implements BindingStore {
  /** By key, oldest first. Two in a row mean that the first had ended when the second began. */
  readonly held = new Map<BindingKey, Binding[]>();
  readonly ended = new Set<Binding>();
  readonly problems: string[] = [];
  largest = 0;
  evictions = { capacity: 0, expired: 0, released: 0 };
  #nowMs = 1;
  #calls = 0;
  readonly #table = new MemoryBindings({
    clock: { now: () => this.#nowMs },
    maxSessions,
    ttlMs: 81, // about as long as a binding stays unused until the table gives it up
    observer: {
      evicted: (cause, binding) => {
        this.evictions[cause]++;
        this.ended.add(binding);
      },
      moved: (from) => this.ended.add(from),
    },
  });

  lookup = (key: BindingKey) => this.#watch(key, this.#table.lookup(key));
  claim: BindingStore["claim"] = (key, target) => this.#watch(key, this.#table.claim(key, target));
  extend: BindingStore["extend"] = (key, generation) =>
    this.#watch(key, this.#table.extend(key, generation));
  move: BindingStore["move"] = (key, generation, target) =>
    this.#watch(key, this.#table.move(key, generation, target));
  release: BindingStore["release"] = (key) => this.#table.release(key);
  load: BindingStore["load"] = (pool) => this.#table.load(pool);

  #watch<T extends Binding | undefined>(key: BindingKey, now: T): T {
    this.largest = Math.max(this.largest, this.#table.size);
    if (now !== undefined) this.#record(key, now);
    this.#calls++;
    if (this.#calls % 40 === 0) {
      this.#nowMs++;
      this.#table.sweep(10);
    }
    return now;
  }

  #record(key: BindingKey, now: Binding): void {
    const held = this.held.get(key) ?? [];
    this.held.set(key, held);
    const last = held.at(-1);
    if (last === now) return;
    if (last !== undefined && !this.ended.has(last)) this.problems.push(`${key} was placed twice`);
    held.push(now);
  }
}

it("places no session twice at once, and holds the table's limit, under contention", async () => {
  const random = seededRandom(7);
  const table = new WatchedTable();
  const router = createStickyRouter({
    store: shuffled(table, random),
    loadFactor: 1.25,
    fallbacks: 2,
    observer: {
      storeFailed: (call) => table.problems.push(`${call} failed`),
      contended: () => table.problems.push("contended"),
    },
  });
  let sent = 0;

  /** A decision must be what the store held for its session at some time between the request and the answer. */
  const check = (session: string, heldBefore: number, decision: Decision): void => {
    const held = table.held.get(bindingKey("default", "", session)) ?? [];
    const meanwhile = held.slice(Math.max(0, heldBefore - 1));
    const isTrue = meanwhile.some(
      ({ endpoint, generation }) =>
        decision.kind !== "refused" &&
        decision.endpoint.id === endpoint &&
        decision.generation === generation,
    );
    if (!isTrue) table.problems.push(`${session} was sent where it was not bound`);
  };

  const flow = async (): Promise<void> => {
    for (let n = 0; n < requestsPerFlow; n++) {
      const session = `s${Math.floor(random() * hotSessions)}`;
      const heldBefore = table.held.get(bindingKey("default", "", session))?.length ?? 0;
      const pool = Math.floor(sent++ / 2_000) % 2 === 0 ? allUp : lostA;
      check(session, heldBefore, await router.route(requestOf(pool, session)));
    }
  };
  await Promise.all(Array.from({ length: flows }, flow));

  expect(table.problems).toEqual([]);
  expect(table.largest).toBe(maxSessions);
  expect(table.evictions.capacity).toBeGreaterThan(1_000);
  expect(table.evictions.expired).toBeGreaterThan(10);
});
