/** Turns whose KV lies far: brought near before anything is reserved, or not waited for. */
import { afterEach, describe, expect, it } from "vitest";

import type { BenchReadaheadLimits } from "../../support/bench-readahead.ts";
import type { Hold } from "../../../src/kv/readahead/gate.ts";
import { freshOf, spans, type TurnBench } from "../../support/turn-bench.ts";
import { until } from "../../support/until.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

const NEAR = { id: "near", labels: {}, engines: true, tier: "memory" } as const;
const FAR = { id: "far", labels: {}, engines: true, tier: "remote" } as const;
const ARCHIVE = { ...FAR, engines: false } as const;

/** 32 bytes each. */
const [PROMPT, ANSWER] = ["one two ", "three "];
const NEXT = "one two three four ";
const STORED = PROMPT.length + ANSWER.length;

describe.each(CATALOGS)("readahead over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** Session `a` has its first turn far away, and then the places are these. */
  async function open(
    sites: TurnBench["sites"],
    readahead: Partial<BenchReadaheadLimits> = {},
    capacityBytes = 2 ** 40,
  ): Promise<TurnBench> {
    const near = { ...NEAR, capacityBytes };
    const bench = await benches.open({ sites: [FAR, near], readahead });
    bench.sites = [FAR];
    bench.restart();
    await bench.create("a");
    await bench.turn("a", PROMPT, ANSWER);
    bench.sites = sites;
    bench.restart();
    return bench;
  }

  /** A millisecond for each token, but for those that are loaded. */
  function hold(bench: TurnBench, { forMs = 10_000, perToken = 100 } = {}): Hold {
    const turnMs = (stored: number): number => (NEXT.length - stored) * perToken;
    return { untilMs: bench.clock.now() + forMs, turnMs };
  }

  async function told(bench: TurnBench, line: string): Promise<void> {
    await until(() => bench.seen.includes(line));
    expect(bench.seen).toContain(line);
  }

  it("holds a turn until what no engine reaches is near, and loads it", async () => {
    const bench = await open([ARCHIVE, NEAR]);
    const plan = await bench.plan("a", NEXT, { hold: hold(bench) });
    expect(bench.seen).toContain("held near 0");
    expect(plan.storedTokens).toBe(STORED);
    expect(plan.stored.map(({ kvUri }) => kvUri)).toEqual([
      expect.stringMatching(/^file:\/\/\/near\//),
    ]);
    expect(plan.locations).toEqual(new Set(["near"]));
    expect(freshOf(plan)).toMatchObject([{ tokenStart: STORED }]);
  });

  it("opens at once where computing is cheaper, and has it near for the turn after", async () => {
    const bench = await open([ARCHIVE, NEAR], { bytesPerSecond: 1_000 });
    const plan = await bench.plan("a", NEXT, { hold: hold(bench, { perToken: 1 }) });
    expect(bench.seen).toContain("held opened_early 0");
    expect(plan).toMatchObject({ stored: [], storedTokens: 0, limit: "location_unknown" });
    expect(freshOf(plan)).toMatchObject([{ tokenStart: 0 }]);
    await until(() => bench.clock.pendingTimers > 0);
    await bench.clock.advance(500);
    await told(bench, "brought remote memory copied");
    if (plan.fresh.kind === "reserved") await bench.desk.abort(plan.fresh.turn, "client_gone");
    const next = await bench.plan("a", NEXT);
    expect(next.storedTokens).toBe(STORED);
  });

  it("does not hold a plan of which nothing is said, and brings all the same", async () => {
    const bench = await open([ARCHIVE, NEAR]);
    const plan = await bench.plan("a", NEXT);
    expect(plan.storedTokens).toBe(0);
    expect(bench.seen.filter((line) => line.startsWith("held"))).toEqual([]);
    await told(bench, "brought remote memory copied");
  });

  it("gives a slow copy that is reached to the engine at once, and a fast one the next time", async () => {
    const bench = await open([FAR, NEAR]);
    const plan = await bench.plan("a", NEXT, { hold: hold(bench) });
    expect(bench.seen).toContain("held opened_early 0");
    expect(plan.storedTokens).toBe(STORED);
    expect(plan.stored[0]?.kvUri).toMatch(/^file:\/\/\/far\//);
    if (plan.fresh.kind === "reserved") await bench.desk.abort(plan.fresh.turn, "client_gone");
    await told(bench, "brought remote memory copied");
    const next = await bench.plan("a", NEXT, { hold: hold(bench) });
    expect(next.stored[0]?.kvUri).toMatch(/^file:\/\/\/near\//);
    expect(spans(next.stored)).toEqual(spans(plan.stored));
  });

  it("cancels the copy of a client that left, and reserves nothing for it", async () => {
    const bench = await open([ARCHIVE, NEAR], { bytesPerSecond: 1_000 });
    const client = new AbortController();
    const planning = bench.plan("a", NEXT, {
      hold: { ...hold(bench, { perToken: 1_000 }), signal: client.signal },
    });
    await heldUp(bench, 2);
    await bench.clock.advance(100);
    client.abort();
    const plan = await planning;
    expect(plan).toMatchObject({ limit: "client_gone", fresh: { reason: "client_gone" } });
    await told(bench, "brought remote memory cancelled");
    expect(bench.seen).toContain("held left 100");
    expect((await bench.catalog.locationUsage("near")).bookedBytes).toBe(0);
  });

  it("goes on with a copy that another turn waits for, when one client leaves", async () => {
    const bench = await open([ARCHIVE, NEAR], { bytesPerSecond: 1_000 });
    await bench.create("b");
    const client = new AbortController();
    const asked = hold(bench, { perToken: 1_000 });
    const leaving = bench.plan("a", NEXT, { hold: { ...asked, signal: client.signal } });
    const staying = bench.plan("b", NEXT, { hold: asked });
    await heldUp(bench, 3);
    client.abort();
    await leaving;
    await bench.clock.advance(500);
    expect((await staying).storedTokens).toBe(STORED);
    expect(bench.seen.filter((line) => line.startsWith("brought"))).toEqual([
      "brought remote memory copied",
    ]);
  });

  it("plans without what cannot come for want of room, asks for some, and evicts nothing itself", async () => {
    const bench = await open([ARCHIVE, NEAR], {}, 2 * 32);
    const plan = await bench.plan("a", NEXT, { hold: hold(bench), maxNewTokens: 0 });
    expect(plan).toMatchObject({ stored: [], limit: "location_unknown" });
    expect(bench.seen.filter((line) => /^(held|left)/.test(line))).toEqual(["left no_room"]);
    const bytes = STORED * 32;
    expect(bench.pressures[0]).toEqual({ location: "near", priority: "reading", bytes });
  });

  it("opens for everybody when the desk is drained", async () => {
    const bench = await open([ARCHIVE, NEAR]);
    stall(bench);
    const planning = bench.plan("a", NEXT, { hold: hold(bench, { perToken: 1_000 }) });
    await heldUp(bench, 1);
    bench.desk.drain();
    expect((await planning).storedTokens).toBe(0);
    expect(bench.seen).toContain("held opened_early 0");
    release(bench);
  });

  /** Nothing is written near from now on, before `release`. */
  function stall(bench: TurnBench): void {
    const near = bench.location("near");
    if (near === undefined) throw new Error("no such place");
    const gate = Promise.withResolvers<void>();
    const put = near.put.bind(near);
    near.put = async (...args) => {
      await gate.promise;
      return put(...args);
    };
    releases.set(bench, () => gate.resolve());
  }

  const releases = new Map<TurnBench, () => void>();
  function release(bench: TurnBench): void {
    releases.get(bench)?.();
  }
});

/** Until so many turns are held, and copies wait for their pace. */
async function heldUp({ clock }: TurnBench, waiting: number): Promise<void> {
  await until(() => clock.pendingTimers >= waiting);
}
