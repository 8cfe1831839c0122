/** Which turns store anything, in turns. */
import { afterEach, describe, expect, it } from "vitest";

import { RETENTION } from "../../support/kv-desk.ts";
import { freshOf, session, spans } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("admission over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  it("loads what is stored for a prompt that is too short to be stored", async () => {
    const bench = await benches.openWith({ minTokens: 8 });
    await bench.turn("a", "one two ", "three ");
    const short = { kind: "none", reason: "too_short" };
    expect((await bench.plan("a", "one two")).fresh).toEqual(short);
    const plan = await bench.plan("a", "one two three 4");
    expect(spans(plan.stored)).toEqual([[0, 14]]);
    expect(plan.fresh.kind).toBe("reserved");
  });

  it("stores in a class of the second hit what comes again, and not what comes once", async () => {
    const bench = await benches.open();
    const retention = { ...RETENTION, ttlMs: 1_000_000, admission: "second_hit" } as const;
    await bench.sessions.create({ session: session("a"), model: "small", retention });
    const text = "x".repeat(100);
    const unseen = { kind: "none", reason: "not_seen_twice" };
    expect((await bench.plan("a", text)).fresh).toEqual(unseen);
    expect((await bench.plan("a", "y".repeat(100))).fresh).toEqual(unseen);
    expect(spans(freshOf(await bench.plan("a", `${text}!`)))).toEqual([[0, 105]]);
  });

  it("has seen nothing after a restart but what is stored", async () => {
    const bench = await benches.open();
    const retention = { ...RETENTION, ttlMs: 1_000_000, admission: "second_hit" } as const;
    await bench.sessions.create({ session: session("a"), model: "small", retention });
    const text = "x".repeat(100);
    await bench.plan("a", text);
    await bench.turn("a", text, "!");
    await bench.plan("a", "y".repeat(100));
    bench.restart();
    expect((await bench.plan("a", "y".repeat(100))).fresh.kind).toBe("none");
    expect((await bench.plan("a", `${text}! and`)).fresh.kind).toBe("reserved");
  });
});
