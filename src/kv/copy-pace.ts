/** How fast all copies together may go: one budget, whoever copies. */
import type { Clock, Scheduler } from "../clock.ts";
import { pause } from "./verify/pause.ts";

/** Timers come late; of what was not used meanwhile, so much is made up for. */
const BURST_MS = 20;

export interface CopyPaceOptions {
  readonly bytesPerSecond: number;
  readonly clock: Clock & Scheduler;
}

export class CopyPace {
  readonly #options: CopyPaceOptions;
  /** When all that was asked for so far may have gone. */
  #paidUntilMs = 0;

  constructor(options: CopyPaceOptions) {
    this.#options = options;
  }

  /** Resolves when so many more bytes may have gone, or as soon as the signal is aborted: then they count as not gone. */
  async pay(bytes: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const costMs = this.msOf(bytes);
    const nowMs = clock.now();
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - BURST_MS) + costMs;
    if (this.#paidUntilMs > nowMs) await pause(clock, this.#paidUntilMs - nowMs, signal);
    if (signal.aborted) this.#paidUntilMs -= costMs;
  }

  /** At the least, with nobody else. */
  msOf(bytes: number): number {
    return (bytes * 1000) / this.#options.bytesPerSecond;
  }
}
