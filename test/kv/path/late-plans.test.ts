/** What becomes of turns whose plans take as long as their requests may be held. */
import { afterEach, describe, expect, it } from "vitest";

import { LATE_LIMIT } from "../../../src/kv/path/turn-begins.ts";
import { generate, letterTokens, PathBench } from "../../support/path-bench.ts";
import { session } from "../../support/turn-bench.ts";
import { until } from "../../support/until.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

describe("a body passes as it came", () => {
  it("where the plan takes as long as the request may be held, and nothing stays reserved", async () => {
    const path = new PathBench(await benches.open(), { holdMs: 1_000 });
    const { bench } = path;
    bench.onRead = () => void bench.clock.advance(800);
    expect((await path.begin("one ")).status).toBe("late");
    await until(() => bench.seen.includes("aborted unsent"));
    expect((await bench.catalog.session(session("a")))?.turns).toEqual([]);
  });

  it("where the plan waits for another turn for as long, and then waits no more for what it would reserve", async () => {
    const path = new PathBench(await benches.open({ policy: { waitMs: 60_000 } }), {
      holdMs: 1_000,
    });
    const { clock } = path.bench;
    await path.bench.create("a");
    await path.bench.plan("a", "one ");
    const waiting = path.begin("one ");
    await until(() => clock.pendingTimers === 2); // of the plan, and of the wait
    await clock.advance(799);
    expect(path.seen).toEqual([]);
    await clock.advance(1);
    expect((await waiting).status).toBe("late");
    expect([path.heldMs, clock.pendingTimers]).toEqual([[800], 0]);
  });

  it("at once where what many others wait for hangs, until that has ended", async () => {
    const { promise: hanging, resolve: end } = Promise.withResolvers<void>();
    const tokens = {
      ...letterTokens,
      encode: async (prompt: Parameters<typeof letterTokens.encode>[0]) => {
        await hanging;
        return letterTokens.encode(prompt);
      },
    };
    const path = new PathBench(await benches.open(), { tokens, holdMs: 1_000 });
    const waiting = Array.from({ length: LATE_LIMIT }, (_, at) =>
      path.begin("one ", { session: session(`s${at}`) }),
    );
    await path.idle();
    await path.bench.clock.advance(800);
    await Promise.all(waiting);
    expect((await path.begin("one ")).status).toBe("late");
    expect(path.heldMs.at(-1)).toBe(0);

    end();
    await until(async () => (await path.begin("one ")).status === "reused=0");
    expect(path.bench.seen).not.toContain("aborted unsent");
  });

  it("where the body took so long to be read and weighed that too little is left for the plan", async () => {
    const path = new PathBench(await benches.open({ policy: { waitMs: 60_000 } }), {
      holdMs: 1_000,
    });
    await path.bench.create("a");
    await path.bench.plan("a", "one ");
    const body = path.pool.readBody("/generate", Buffer.from(JSON.stringify(generate("one "))));
    if (!("kind" in body) || body.kind !== "body") return expect.unreachable();
    await path.bench.clock.advance(300);
    const waiting = path.begin("", { body });
    await path.idle();
    await path.bench.clock.advance(499);
    expect(path.seen).toEqual([]);
    await path.bench.clock.advance(1);
    expect((await waiting).status).toBe("late");
  });
});
