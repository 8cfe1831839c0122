import type { Scheduler } from "../../clock.ts";

/** Resolves after the delay, or as soon as the signal is aborted. */
export function pause(scheduler: Scheduler, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = scheduler.after(delayMs, end);
    signal.addEventListener("abort", end);
  });
}
