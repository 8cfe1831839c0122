import type { Cancel, Scheduler } from "../clock.ts";

export interface Sweepable {
  /** Looks at no more than `limit` entries. */
  sweep(limit: number): number;
}

export interface SweeperOptions {
  readonly store: Sweepable;
  readonly scheduler: Scheduler;
  readonly intervalMs: number;
  /** Entries looked at per pass: what bounds the time that one pass takes from requests. */
  readonly limit: number;
}

export interface Sweeper {
  /** Idempotent. */
  close(): Promise<void>;
}

/** Sweeps once per interval until closed. */
export function openSweeper({ store, scheduler, intervalMs, limit }: SweeperOptions): Sweeper {
  let cancel: Cancel;
  const pass = (): void => {
    cancel = scheduler.after(intervalMs, pass);
    store.sweep(limit);
  };
  cancel = scheduler.after(intervalMs, pass);
  return {
    close: () => {
      cancel();
      return Promise.resolve();
    },
  };
}
