/**
 * What bindings cost in memory: fills the real table and compares the heap before and after, garbage collected. Runs as a
 * process of its own, `node --expose-gc heap.ts`, and prints megabytes per 100,000 bindings.
 */
import { bindingKey } from "../../src/affinity/binding-store.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import { systemClock } from "../../src/clock.ts";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";

const BINDINGS = 100_000;

function usedBytes(): number {
  if (globalThis.gc === undefined) throw new Error("needs --expose-gc");
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const before = usedBytes();
const bindings = new MemoryBindings({
  clock: systemClock,
  maxSessions: BINDINGS,
  ttlMs: 3_600_000,
  observer: { evicted: () => {}, moved: () => {} },
});
for (let i = 0; i < BINDINGS; i++) {
  const endpoint = `10.0.0.${i % 16}:8000` as EndpointId;
  const key = bindingKey("default", "", crypto.randomUUID());
  bindings.claim(key, { pool: "default", endpoint, reason: "placed" });
}
const after = usedBytes();
if (bindings.size !== BINDINGS) throw new Error(`the table holds ${bindings.size} bindings`);
console.log(((after - before) / 1e6).toFixed(2));
