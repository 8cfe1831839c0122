import { describe, expect, it } from "vitest";

import { bindingKey } from "../../src/affinity/binding-store.ts";
import type { BindingKey, Target } from "../../src/affinity/binding-store.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import type { BindingsObserver } from "../../src/bindings/memory.ts";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { describeBindingStore } from "./binding-store-contract.ts";

const ttlMs = 1_000;

function openTable(maxSessions: number) {
  const clock = new FakeClock();
  const log: string[] = [];
  const observer: BindingsObserver = {
    evicted: (cause, { endpoint }) => log.push(`${cause} ${endpoint}`),
    moved: (from, to) => log.push(`moved ${from.endpoint} ${to.endpoint}`),
  };
  return { clock, log, store: new MemoryBindings({ clock, maxSessions, ttlMs, observer }) };
}

function key(session: string): BindingKey {
  return bindingKey("p", "", session);
}

/** Each session sits at the endpoint of its own name, so that a log of endpoints reads as a log of sessions. */
function at(endpoint: string): Target {
  return { pool: "p", endpoint: endpoint as EndpointId, reason: "placed" };
}

describeBindingStore("memory", () => {
  const { clock, store } = openTable(1_000);
  return Promise.resolve({
    store,
    ttlMs,
    passMs: (ms) => clock.advance(ms),
    close: () => Promise.resolve(),
  });
});

describe("the table's size", () => {
  it("gives up the least recently used binding when full [A19]", () => {
    const { store, log } = openTable(3);
    for (const session of ["a", "b", "c"]) store.claim(key(session), at(session));
    store.extend(key("a"), 1);
    store.claim(key("d"), at("d"));
    expect(log).toEqual(["capacity b"]);
    expect(["a", "b", "c", "d"].map((each) => store.lookup(key(each))?.endpoint)).toEqual([
      "a",
      undefined,
      "c",
      "d",
    ]);
  });

  it("never exceeds its limit [A21]", () => {
    const { store } = openTable(10);
    for (let n = 0; n < 9; n++) store.claim(key(`s${n}`), at("a"));
    expect(store.size).toBe(9);
    for (let n = 9; n < 20; n++) store.claim(key(`s${n}`), at("a"));
    expect(store.size).toBe(10);
    expect(store.load("p").total()).toBe(10);
  });

  it("takes a move for a use", () => {
    const { store, log } = openTable(2);
    store.claim(key("a"), at("a"));
    store.claim(key("b"), at("b"));
    store.move(key("a"), 1, at("c"));
    store.claim(key("d"), at("d"));
    expect(log).toEqual(["moved a c", "capacity b"]);
  });

  it("takes neither a lookup nor a lost claim for a use", () => {
    const { store, log } = openTable(2);
    store.claim(key("a"), at("a"));
    store.claim(key("b"), at("b"));
    store.lookup(key("a"));
    store.claim(key("a"), at("z"));
    store.claim(key("c"), at("c"));
    expect(log).toEqual(["capacity a"]);
  });

  it("names expiry, not capacity, as the end of a binding that had expired already", async () => {
    const { store, clock, log } = openTable(1);
    store.claim(key("a"), at("a"));
    await clock.advance(ttlMs);
    store.claim(key("b"), at("b"));
    expect(log).toEqual(["expired a"]);
  });
});

describe("the observer", () => {
  it("hears of a release", () => {
    const { store, log } = openTable(3);
    store.claim(key("a"), at("a"));
    store.release(key("a"));
    expect(log).toEqual(["released a"]);
  });

  it("hears of an expired binding once, at the first look", async () => {
    const { store, clock, log } = openTable(3);
    store.claim(key("a"), at("a"));
    await clock.advance(ttlMs);
    store.lookup(key("a"));
    store.lookup(key("a"));
    store.sweep(10);
    expect(log).toEqual(["expired a"]);
  });

  it("hears of no move that was lost", () => {
    const { store, log } = openTable(3);
    store.claim(key("a"), at("a"));
    store.move(key("a"), 7, at("b"));
    expect(log).toEqual([]);
  });
});

describe("a sweep", () => {
  it("drops what has expired and spares what was used since [B16]", async () => {
    const { store, clock, log } = openTable(10);
    for (const session of ["a", "b", "c"]) store.claim(key(session), at(session));
    await clock.advance(ttlMs - 1);
    store.extend(key("b"), 1);
    await clock.advance(1);
    expect(store.sweep(10)).toBe(2);
    expect(log).toEqual(["expired a", "expired c"]);
    expect(store.lookup(key("b"))).toMatchObject({ endpoint: "b" });
  });

  it("looks at no more than its limit, and goes on from there at the next pass", async () => {
    const { store, clock } = openTable(10);
    for (let n = 0; n < 5; n++) store.claim(key(`s${n}`), at("a"));
    await clock.advance(ttlMs);
    const passes = [
      store.sweep(2),
      store.size,
      store.sweep(2),
      store.size,
      store.sweep(2),
      store.size,
    ];
    expect(passes).toEqual([2, 3, 2, 1, 1, 0]);
    expect(store.load("p").total()).toBe(0);
  });

  it("costs nothing when nothing has expired", () => {
    const { store } = openTable(10);
    for (let n = 0; n < 5; n++) store.claim(key(`s${n}`), at("a"));
    expect(store.sweep(10)).toBe(0);
    expect(store.size).toBe(5);
  });
});

describe("the load view", () => {
  it("stays the same object, so that a request may keep it", () => {
    const { store } = openTable(3);
    const load = store.load("p");
    store.claim(key("a"), at("a"));
    store.release(key("a"));
    store.claim(key("b"), at("b"));
    expect(store.load("p")).toBe(load);
    expect([load.total(), load.on("a" as EndpointId), load.on("b" as EndpointId)]).toEqual([
      1, 0, 1,
    ]);
  });
});
