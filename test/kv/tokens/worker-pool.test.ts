import { describe, expect, it, onTestFinished } from "vitest";
import { WorkerPool } from "../../../src/kv/tokens/worker-pool.ts";
import type { WorkerLimits } from "../../../src/kv/tokens/worker-pool.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import type { Order } from "../../support/obedient-worker.ts";

const BUSY = { kind: "busy" };

describe("a pool of workers", () => {
  it("has its jobs done in their order", async () => {
    const { pool } = openPool({ workers: 1 });
    const ends: unknown[] = [];
    const jobs = ["a", "b", "c"].map((say) => pool.run({ say }, 1).then((end) => ends.push(end)));
    await Promise.all(jobs);
    expect(ends).toEqual(["a", "b", "c"].map((answer) => ({ kind: "done", answer })));
  });

  it("works in all its workers at once", async () => {
    const { pool } = openPool({ workers: 2 });
    void pool.run("hang", 1);
    expect(await pool.run({ say: "a" }, 1)).toEqual({ kind: "done", answer: "a" });
  });

  it("passes on what a job threw, and goes on with the next", async () => {
    const { pool } = openPool({ workers: 1 });
    await expect(pool.run("throw", 1)).rejects.toThrow(
      expect.objectContaining({ code: "internal", message: "no such thing" }),
    );
    expect(await pool.run({ say: "a" }, 1)).toEqual({ kind: "done", answer: "a" });
  });

  it("replaces a worker that died, whose job is busy, and says so", async () => {
    const { pool, lost, clock } = openPool({ workers: 1 });
    const next = pool.run("die", 1);
    const waiting = pool.run({ say: "a" }, 1);
    expect(await next).toEqual(BUSY);
    expect(await waiting).toEqual({ kind: "done", answer: "a" });
    expect(lost).toEqual([new Error("a worker ended with code 3")]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("replaces a worker that hangs, whose job is busy, and says so", async () => {
    const { pool, clock, lost } = openPool({ workers: 1, runMs: 100, waitMs: 1_000 });
    const hanging = pool.run("hang", 1);
    const waiting = pool.run({ say: "a" }, 1);
    await clock.advance(99);
    expect(lost).toEqual([]);
    await clock.advance(1);
    expect(await hanging).toEqual(BUSY);
    expect(await waiting).toEqual({ kind: "done", answer: "a" });
    expect(lost).toEqual([new Error("a worker was at one job for 100 ms")]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("lets a job wait for so long and no longer", async () => {
    const { pool, clock } = openPool({ workers: 1, waitMs: 50 });
    void pool.run("hang", 1);
    const waiting = pool.run({ say: "a" }, 1);
    await clock.advance(50);
    expect(await waiting).toEqual(BUSY);
  });

  it("lets so many jobs wait and no more", async () => {
    const { pool, clock } = openPool({ workers: 1, waitingJobs: 2, waitMs: 50 });
    void pool.run("hang", 1);
    const allowed = [pool.run({ say: "a" }, 1), pool.run({ say: "b" }, 1)];
    expect(await pool.run({ say: "c" }, 1)).toEqual(BUSY);
    expect(clock.pendingTimers).toBe(3);
    await clock.advance(50);
    await Promise.all(allowed);
  });

  it("lets so much wait and no more, and takes others once that is over", async () => {
    const { pool, clock } = openPool({ workers: 1, waitingWeight: 10, waitMs: 50 });
    void pool.run("hang", 10);
    const allowed = pool.run({ say: "a" }, 10);
    expect(await pool.run({ say: "b" }, 1)).toEqual(BUSY);
    await clock.advance(50);
    expect(await allowed).toEqual(BUSY);
    const later = pool.run({ say: "b" }, 10);
    expect(clock.pendingTimers).toBe(2);
    await clock.advance(50);
    await later;
  });

  it("is busy for everybody once it is closed", async () => {
    const { pool } = openPool({ workers: 1 });
    const running = pool.run("hang", 1);
    const waiting = pool.run({ say: "a" }, 1);
    await pool.close();
    expect([await running, await waiting, await pool.run({ say: "b" }, 1)]).toEqual([
      BUSY,
      BUSY,
      BUSY,
    ]);
    await expect(pool.close()).resolves.toBeUndefined();
  });
});

function openPool(limits: Partial<WorkerLimits>) {
  const clock = new FakeClock();
  const lost: unknown[] = [];
  const pool = new WorkerPool<Order, string>({
    script: new URL("../../support/obedient-worker.ts", import.meta.url),
    workerData: undefined,
    scheduler: clock,
    lost: (reason) => lost.push(reason),
    limits: {
      workers: 1,
      waitingJobs: 10,
      waitingWeight: 100,
      waitMs: 10_000,
      runMs: 10_000,
      heapMib: 64,
      ...limits,
    },
  });
  onTestFinished(() => pool.close());
  return { pool, clock, lost };
}
