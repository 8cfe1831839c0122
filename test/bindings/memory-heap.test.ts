import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";

import { bindingKey } from "../../src/affinity/binding-store.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function openTable(): MemoryBindings {
  const observer = { evicted: () => undefined, moved: () => undefined };
  const clock = { now: () => performance.now() };
  return new MemoryBindings({ clock, maxSessions: 100_000, ttlMs: 3_600_000, observer });
}

/** Megabytes of heap and of array buffers that stay after `fill` made something and returned it. */
function retainedMb(fill: () => unknown): number {
  const measure = (): number => {
    collectGarbage(); // frees buffers in the background, and is over when the next one begins
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1e6;
  };
  const before = measure();
  const kept = fill();
  const after = measure();
  expect(kept).toBeDefined();
  return after - before;
}

function uuid(n: number): string {
  return `3b241101-e2bb-4255-8caf-${String(n).padStart(12, "0")}`;
}

function bind(store: MemoryBindings, sessionId: string, name: string): void {
  const endpoint = name as EndpointId;
  store.claim(bindingKey("default", "", sessionId), {
    pool: "default",
    endpoint,
    reason: "placed",
  });
}

it("needs no more than 30 MB for 100,000 sessions named by UUIDs", () => {
  const mb = retainedMb(() => {
    const store = openTable();
    for (let n = 0; n < 100_000; n++) bind(store, uuid(n), `10.0.0.${n % 4}:8000`);
    return store;
  });
  expect(mb).toBeGreaterThan(5); // the measurement sees the table
  expect(mb).toBeLessThan(30);
});

it("keeps no part of the text that a session id was cut out of", () => {
  const padding = "x".repeat(20_000);
  const mb = retainedMb(() => {
    const store = openTable();
    for (let n = 0; n < 1_000; n++) {
      const cookies = [`session=${uuid(n)}; other=`, padding].join(""); // one flat text
      bind(store, cookies.slice(8, 44), "a");
    }
    return store;
  });
  expect(mb).toBeLessThan(10); // the texts add up to 20 MB
});

it("keeps one copy of an endpoint's name, however often it comes anew with a reload", () => {
  const name = Array.from({ length: 2_000 }, () => "n");
  const mb = retainedMb(() => {
    const store = openTable();
    for (let n = 0; n < 10_000; n++) bind(store, uuid(n), name.join(""));
    return store;
  });
  expect(mb).toBeLessThan(10); // the copies add up to 20 MB
});
