/**
 * What every BindingStore must do. An adapter's test calls this with a way to open a fresh store and to let time pass.
 * Memory is measured against it as well as a store that answers later: every call here is awaited.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { bindingKey } from "../../src/affinity/binding-store.ts";
import type { BindingStore, BindReason, Target } from "../../src/affinity/binding-store.ts";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";

export interface OpenStore {
  readonly store: BindingStore;
  /** The sliding TTL that the store was opened with. */
  readonly ttlMs: number;
  /** Lets this much of the store's time pass. */
  readonly passMs: (ms: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

const key = bindingKey("p", "", "s1");
const a = "a" as EndpointId;
const b = "b" as EndpointId;

function to(endpoint: string, reason: BindReason = "placed"): Target {
  return { pool: "p", endpoint: endpoint as EndpointId, reason };
}

export function describeBindingStore(name: string, open: () => Promise<OpenStore>): void {
  describe(`binding store contract: ${name}`, () => {
    let opened: OpenStore;
    let store: BindingStore;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.close());

    describe("claim", () => {
      it("misses what was never claimed [A5]", async () => {
        expect(await store.lookup(key)).toBeUndefined();
      });

      it("binds a free session at generation 1 [A11] [B12]", async () => {
        const claimed = await store.claim(key, to("a", "spilled"));
        expect(claimed).toMatchObject({
          pool: "p",
          endpoint: "a",
          generation: 1,
          reason: "spilled",
        });
        expect(await store.lookup(key)).toEqual(claimed);
      });

      it("returns the binding that is there to a later claim, and leaves it [A15]", async () => {
        await store.claim(key, to("a"));
        expect(await store.claim(key, to("b"))).toMatchObject({ endpoint: "a", generation: 1 });
        expect(await store.lookup(key)).toMatchObject({ endpoint: "a", generation: 1 });
      });

      it("gives 64 concurrent claims one winner [B15]", async () => {
        const claims = Array.from({ length: 64 }, async (_, n) => store.claim(key, to(`e${n}`)));
        const winners = new Set((await Promise.all(claims)).map(({ endpoint }) => endpoint));
        expect(winners.size).toBe(1);
      });

      it("keeps pools, tenants and sessions apart", async () => {
        const keys = [key, bindingKey("q", "", "s1"), bindingKey("p", "t", "s1")];
        for (const [n, each] of keys.entries()) await store.claim(each, to(`e${n}`));
        for (const [n, each] of keys.entries())
          expect(await store.lookup(each)).toMatchObject({ endpoint: `e${n}` });
      });
    });

    describe("expiry", () => {
      it("keeps a binding for its TTL and no longer [A20] [B16]", async () => {
        await store.claim(key, to("a"));
        await opened.passMs(opened.ttlMs - 1);
        expect(await store.lookup(key)).toMatchObject({ endpoint: "a" });
        await opened.passMs(1);
        expect(await store.lookup(key)).toBeUndefined();
      });

      it("starts the TTL anew with each extend", async () => {
        await store.claim(key, to("a"));
        await opened.passMs(opened.ttlMs - 1);
        expect(await store.extend(key, 1)).toMatchObject({ endpoint: "a", generation: 1 });
        await opened.passMs(opened.ttlMs - 1);
        expect(await store.lookup(key)).toMatchObject({ endpoint: "a" });
      });

      it("takes no lookup for a use", async () => {
        await store.claim(key, to("a"));
        await opened.passMs(opened.ttlMs - 1);
        await store.lookup(key);
        await opened.passMs(1);
        expect(await store.lookup(key)).toBeUndefined();
      });

      it("extends nothing that has expired, and revives nothing", async () => {
        await store.claim(key, to("a"));
        await opened.passMs(opened.ttlMs);
        expect(await store.extend(key, 1)).toBeUndefined();
        expect(await store.lookup(key)).toBeUndefined();
      });

      it("leaves an expired session free to claim", async () => {
        await store.claim(key, to("a"));
        await opened.passMs(opened.ttlMs);
        expect(await store.claim(key, to("b"))).toMatchObject({ endpoint: "b", generation: 1 });
      });
    });

    describe("extend", () => {
      it("tells a stale caller what is true, and slides nothing for it", async () => {
        await store.claim(key, to("a"));
        await store.move(key, 1, to("b", "moved"));
        await opened.passMs(opened.ttlMs - 1);
        expect(await store.extend(key, 1)).toMatchObject({ endpoint: "b", generation: 2 });
        await opened.passMs(1);
        expect(await store.lookup(key)).toBeUndefined();
      });

      it("creates nothing for an unknown session", async () => {
        expect(await store.extend(key, 1)).toBeUndefined();
        expect(await store.lookup(key)).toBeUndefined();
      });
    });

    describe("move", () => {
      it("rebinds at the next generation, and starts the TTL anew [A14] [B13]", async () => {
        await store.claim(key, to("a"));
        await opened.passMs(opened.ttlMs - 1);
        const moved = await store.move(key, 1, to("b", "moved"));
        expect(moved).toMatchObject({ endpoint: "b", generation: 2, reason: "moved" });
        await opened.passMs(opened.ttlMs - 1);
        expect(await store.lookup(key)).toEqual(moved);
      });

      it("tells a stale caller what is true, and moves nothing for it", async () => {
        await store.claim(key, to("a"));
        await store.move(key, 1, to("b", "moved"));
        expect(await store.move(key, 1, to("c", "moved"))).toMatchObject({
          endpoint: "b",
          generation: 2,
        });
        expect(await store.lookup(key)).toMatchObject({ endpoint: "b", generation: 2 });
      });

      it("lets one of 64 concurrent moves win", async () => {
        await store.claim(key, to("a"));
        const moves = Array.from({ length: 64 }, async (_, n) =>
          store.move(key, 1, to(`e${n}`, "moved")),
        );
        const winners = new Set((await Promise.all(moves)).map(({ endpoint }) => endpoint));
        expect(winners.size).toBe(1);
        expect(await store.lookup(key)).toMatchObject({ generation: 2 });
      });

      it("binds afresh what has expired meanwhile, and still only once per generation", async () => {
        await store.claim(key, to("a"));
        await opened.passMs(opened.ttlMs);
        expect(await store.move(key, 1, to("b", "moved"))).toMatchObject({
          endpoint: "b",
          generation: 2,
        });
        expect(await store.move(key, 1, to("c", "moved"))).toMatchObject({ endpoint: "b" });
      });

      it("leaves a binding that a caller holds as it was", async () => {
        const held = await store.claim(key, to("a"));
        await store.move(key, 1, to("b", "moved"));
        expect(held).toMatchObject({ endpoint: "a", generation: 1, reason: "placed" });
      });
    });

    describe("release", () => {
      it("ends a binding once", async () => {
        await store.claim(key, to("a"));
        expect(await store.release(key)).toBe(true);
        expect(await store.lookup(key)).toBeUndefined();
        expect(await store.release(key)).toBe(false);
      });

      it("finds nothing to end once the binding has expired", async () => {
        await store.claim(key, to("a"));
        await opened.passMs(opened.ttlMs);
        expect(await store.release(key)).toBe(false);
      });
    });

    describe("load", () => {
      it("counts the sessions of each endpoint through claim, move and release", async () => {
        const other = bindingKey("p", "", "s2");
        await store.claim(key, to("a"));
        await store.claim(other, to("a"));
        expect([store.load("p").on(a), store.load("p").on(b)]).toEqual([2, 0]);
        await store.move(key, 1, to("b", "moved"));
        expect([store.load("p").on(a), store.load("p").on(b)]).toEqual([1, 1]);
        await store.release(other);
        expect([store.load("p").on(a), store.load("p").on(b)]).toEqual([0, 1]);
        expect(store.load("p").total()).toBe(1);
      });

      it("counts nothing twice that was claimed twice, or moved by a stale caller", async () => {
        await store.claim(key, to("a"));
        await store.claim(key, to("b"));
        await store.move(key, 1, to("b", "moved"));
        await store.move(key, 1, to("a", "moved"));
        expect([store.load("p").on(a), store.load("p").on(b)]).toEqual([0, 1]);
      });

      it("counts each pool by itself", async () => {
        await store.claim(key, to("a"));
        await store.claim(bindingKey("q", "", "s1"), { ...to("a"), pool: "q" });
        expect([store.load("p").total(), store.load("q").total()]).toEqual([1, 1]);
        expect(store.load("r").total()).toBe(0);
      });
    });
  });
}
