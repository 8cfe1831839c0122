import type { Cancel, Clock, Scheduler } from "../../src/clock.ts";

/** A clock that a test moves by hand. Starts above 0; timers run in due order, and see `now()` at their own due time. */
export class FakeClock implements Clock, Scheduler {
  #nowMs = 1_000;
  #timers: { dueMs: number; task: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Cancel {
    const timer = { dueMs: this.#nowMs + delayMs, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Moves time forward and runs what falls due. Awaits between timers, so that promises they settle are seen. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.dueMs <= untilMs)
        .toSorted((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.task();
      await settle();
    }
    this.#nowMs = untilMs;
    await settle();
  }
}

/** Lets every promise that is already resolvable run its continuation. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
