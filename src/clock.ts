/**
 * Time and timers as arguments, so that tests advance them by hand. This file alone reads the real ones.
 */

/** Monotonic milliseconds with a fraction, from an arbitrary start above 0. Never goes back when the wall clock does. */
export interface Clock {
  now(): number;
}

/** Cancels what was scheduled; calling it again, or after the task ran, does nothing. */
export type Cancel = () => void;

/** One-shot timers. A pending one never keeps the process alive; but what is to be done after 0 ms is done with the loop's next turn. */
export interface Scheduler {
  after(delayMs: number, task: () => void): Cancel;
}

/** Wall clock: whole milliseconds since 1970, which may jump either way. For what outlives the process, and for nothing else. */
export type WallClock = () => number;

/** A number in [0, 1): jitter only, never identity. */
export type Random = () => number;

export const systemClock: Clock & Scheduler = {
  now: () => performance.now(),
  after: (delayMs, task) => {
    if (delayMs === 0) {
      // A timer would take a millisecond at least; one that is not waited for, until something else happens.
      const turn = setImmediate(task);
      return () => clearImmediate(turn);
    }
    const timer = setTimeout(task, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

export const systemRandom: Random = () => Math.random();

export const systemWallClock: WallClock = () => Date.now();
