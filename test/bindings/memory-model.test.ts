/**
 * The memory adapter against a model that is too simple to be wrong: an array in order of use, searched from end to end. Any run
 * of commands must give the same answers, the same size, the same counts and the same evictions.
 */
import fc from "fast-check";
import { expect, it } from "vitest";

import { bindingKey } from "../../src/affinity/binding-store.ts";
import type { Binding } from "../../src/affinity/binding-store.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";

const maxSessions = 4;
const ttlMs = 10;
const pools = ["p", "q"];
const endpoints = ["a", "b", "c"] as EndpointId[];

/** One call, with all that any call needs. */
interface Command {
  readonly verb: "lookup" | "claim" | "extend" | "move" | "release" | "pass" | "sweep";
  readonly pool: string;
  readonly session: string;
  readonly endpoint: EndpointId;
  readonly generation: number;
  /** Milliseconds to pass, or entries to sweep. */
  readonly amount: number;
}

const someCommand: fc.Arbitrary<Command> = fc.record({
  verb: fc.constantFrom("lookup", "claim", "claim", "extend", "move", "release", "pass", "sweep"),
  pool: fc.constantFrom(...pools),
  session: fc.constantFrom("s1", "s2", "s3", "s4"),
  endpoint: fc.constantFrom(...endpoints),
  generation: fc.integer({ min: 1, max: 3 }),
  amount: fc.integer({ min: 0, max: 6 }),
});

interface Row {
  readonly key: string;
  readonly binding: Binding;
}

/** Least recently used first. */
class Model {
  rows: Row[] = [];
  log: string[] = [];
  nowMs = 1;

  run({ verb, pool, session, endpoint, generation, amount }: Command): unknown {
    const key = bindingKey(pool, "", session);
    if (verb === "pass") return void (this.nowMs += amount);
    if (verb === "sweep") return this.#sweep(amount);
    const row = this.#live(key);
    const fresh = { pool, endpoint, reason: "placed", expiresAtMs: this.nowMs + ttlMs } as const;
    if (verb === "claim") return row?.binding ?? this.#push(key, { ...fresh, generation: 1 });
    if (verb === "release") return row !== undefined && this.#drop(row, "released");
    if (verb === "move" && (row === undefined || row.binding.generation === generation)) {
      if (row !== undefined) this.log.push(`moved ${row.binding.endpoint} ${endpoint}`);
      return this.#push(key, { ...fresh, generation: generation + 1 });
    }
    if (verb === "extend" && row?.binding.generation === generation)
      return this.#push(key, { ...row.binding, expiresAtMs: this.nowMs + ttlMs });
    return row?.binding;
  }

  #live(key: string): Row | undefined {
    const row = this.rows.find((each) => each.key === key);
    if (row === undefined || this.#isLive(row)) return row;
    this.#drop(row, "expired");
    return undefined;
  }

  #isLive({ binding }: Row): boolean {
    return this.nowMs < binding.expiresAtMs;
  }

  #push(key: string, binding: Binding): Binding {
    this.rows = this.rows.filter((each) => each.key !== key);
    const oldest = this.rows[0];
    if (this.rows.length === maxSessions && oldest !== undefined)
      this.#drop(oldest, this.#isLive(oldest) ? "capacity" : "expired");
    this.rows.push({ key, binding });
    return binding;
  }

  #drop(row: Row, cause: string): true {
    this.rows = this.rows.filter((each) => each !== row);
    this.log.push(`${cause} ${row.binding.endpoint}`);
    return true;
  }

  #sweep(limit: number): number {
    const expired = this.rows.slice(0, limit).filter((row) => !this.#isLive(row));
    for (const row of expired) this.#drop(row, "expired");
    return expired.length;
  }
}

function runReal(store: MemoryBindings, command: Command): unknown {
  const { verb, pool, session, endpoint, generation, amount } = command;
  const key = bindingKey(pool, "", session);
  const target = { pool, endpoint, reason: "placed" } as const;
  if (verb === "pass") return undefined;
  if (verb === "sweep") return store.sweep(amount);
  if (verb === "claim") return store.claim(key, target);
  if (verb === "extend") return store.extend(key, generation);
  if (verb === "move") return store.move(key, generation, target);
  return verb === "release" ? store.release(key) : store.lookup(key);
}

function countsOf(count: (pool: string, endpoint: EndpointId) => number): number[] {
  return pools.flatMap((pool) => endpoints.map((endpoint) => count(pool, endpoint)));
}

it("does what the model does: answers, size, counts and evictions [A19] [A20] [A21] [B16]", () => {
  let evictions = 0;
  fc.assert(
    fc.property(fc.array(someCommand, { maxLength: 120, size: "max" }), (commands) => {
      const model = new Model();
      const log: string[] = [];
      const store = new MemoryBindings({
        clock: { now: () => model.nowMs },
        maxSessions,
        ttlMs,
        observer: {
          evicted: (cause, { endpoint }) => log.push(`${cause} ${endpoint}`),
          moved: (from, to) => log.push(`moved ${from.endpoint} ${to.endpoint}`),
        },
      });
      for (const command of commands) {
        const expected = model.run(command);
        expect(runReal(store, command)).toEqual(expected);
        expect(store.size).toBe(model.rows.length);
        expect(countsOf((pool, endpoint) => store.load(pool).on(endpoint))).toEqual(
          countsOf(
            (pool, endpoint) =>
              model.rows.filter(
                ({ binding }) => binding.pool === pool && binding.endpoint === endpoint,
              ).length,
          ),
        );
        expect(pools.map((pool) => store.load(pool).total())).toEqual(
          pools.map((pool) => model.rows.filter(({ binding }) => binding.pool === pool).length),
        );
        expect(log).toEqual(model.log);
      }
      evictions += log.length;
    }),
    { numRuns: 300, seed: 11 },
  );
  expect(evictions).toBeGreaterThan(1_000);
});
