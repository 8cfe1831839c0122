/** The wall clock jumps, forth and back, while turns are open: nothing wrong is listed, nobody waits for it, and a metric says why. */
import { afterEach, describe, expect, it } from "vitest";

import { Benches, CATALOGS } from "../kv/turns/catalogs.ts";
import { session, spans } from "../support/turn-bench.ts";
import { settle } from "../support/fake-clock.ts";
import { MeasuredBench } from "./measured-bench.ts";

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
/** When it is before it jumps. */
const NOON = 1_000 * DAY;

describe.each(CATALOGS)("a wall clock that jumps over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** With the session `a`, which has 8 durable tokens. */
  async function open(): Promise<MeasuredBench> {
    const bench = await MeasuredBench.open(benches);
    bench.turns.wallJumpMs = NOON;
    await bench.turns.create("a");
    await bench.turn("a", "one ", "two ");
    return bench;
  }

  it("past the deadline of a turn: its commit lists nothing, and the next turn has what was stored", async () => {
    const bench = await open();
    const { turns } = bench;
    const plan = await turns.plan("a", "one two three ");
    turns.wallJumpMs += 10 * MINUTE;
    expect(await turns.commit(plan, ["one two three ", ""])).toMatchObject({ kind: "conflict" });
    expect(await bench.counts("kv_commits_total")).toMatchObject({ unknown_turn: 1 });
    const next = await turns.plan("a", "one two three four");
    expect(spans(next.stored)).toEqual([[0, 8]]);
    expect(next.fresh.kind).toBe("reserved");
  });

  it("past the end of the session: the turn is answered without it, and says so", async () => {
    const bench = await open();
    bench.turns.wallJumpMs += 30 * DAY;
    expect(await bench.turns.plan("a", "one two three ")).toMatchObject({
      stored: [],
      limit: "no_session",
      fresh: { kind: "none", reason: "no_session" },
    });
    expect(await bench.counts("kv_plans_total")).toMatchObject({ no_session: 1 });
  });

  it("back by a day: the open turn is committed, the session goes on, and nothing expires", async () => {
    const bench = await open();
    const { turns } = bench;
    turns.wallJumpMs = NOON + DAY;
    await turns.create("b");
    const plan = await turns.plan("b", "one two three ");
    turns.wallJumpMs = NOON;
    expect(await turns.commit(plan, ["one two three ", ""])).toMatchObject({ kind: "accepted" });
    await bench.settled();
    expect(spans((await turns.plan("b", "one two three !")).stored)).toEqual([
      [0, 8],
      [8, 6],
    ]);
    const swept = { nowMs: NOON + turns.clock.now(), limit: 100, quarantineMs: 1 };
    expect(await turns.catalog.sweep(swept)).toMatchObject({ expiredSessions: 0, unlinkable: [] });
  });

  it("back and forth again: no range is handed out twice", async () => {
    const bench = await open();
    const { turns } = bench;
    const starts: string[] = [];
    for (const jumpMs of [0, 20 * MINUTE, -500, 10 * MINUTE, -DAY, 0]) {
      turns.wallJumpMs = NOON + jumpMs;
      const { fresh } = await turns.plan("a", "one two three four ");
      if (fresh.kind !== "reserved") continue;
      for (const { kvUri, kvStart } of fresh.segments) starts.push(`${kvUri}@${kvStart}`);
      await turns.desk.abort(fresh.turn, "client_gone");
    }
    expect(starts.length).toBeGreaterThan(2);
    expect(new Set(starts).size).toBe(starts.length);
  });

  it("back by a day while a turn waits for another: it waits no longer for that", async () => {
    const bench = await open();
    const { turns } = bench;
    await turns.plan("a", "one two three ");
    let isOver = false;
    const waiting = turns.plan("a", "one two four ").finally(() => (isOver = true));
    await waitsIn(turns.clock);
    turns.wallJumpMs -= DAY;
    await turns.clock.advance(5_000);
    while (!isOver && turns.clock.pendingTimers === 0) await settle();
    expect(turns.clock.pendingTimers).toBe(0);
    expect(await waiting).toMatchObject({ fresh: { kind: "none", reason: "busy" } });
    expect(await bench.counts("kv_reservations_total")).toMatchObject({ busy: 1 });
    expect(await turns.catalog.segments(session("a"))).toHaveLength(1);
  });
});

async function waitsIn(clock: { readonly pendingTimers: number }): Promise<void> {
  while (clock.pendingTimers === 0) await settle();
}
