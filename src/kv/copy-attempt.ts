/**
 * Watches one copy: which location it waits for, and since when. One that waits for the same chunk for too long is given up: whoever
 * waits for it goes on, and what hangs ends by itself, or never.
 */
import type { Cancel, Scheduler } from "../clock.ts";

export interface CopyAttemptOptions {
  readonly clock: Scheduler;
  /** The longest that a location may take to read or write 1 MiB, or to make what was written durable. */
  readonly stallMs: number;
  /** Of who asked for the copy. */
  readonly signal: AbortSignal | undefined;
}

export class CopyAttempt {
  /** Aborted when nobody waits for the copy any more. */
  readonly signal: AbortSignal;
  readonly #options: CopyAttemptOptions;
  readonly #stalling = new AbortController();
  readonly #stall = Promise.withResolvers<string>();
  #cancel: Cancel = () => {};

  constructor(options: CopyAttemptOptions) {
    const { signal } = options;
    this.#options = options;
    this.signal =
      signal === undefined
        ? this.#stalling.signal
        : AbortSignal.any([signal, this.#stalling.signal]);
  }

  /** Resolves with the location that kept it waiting for too long, if ever. */
  get stalled(): Promise<string> {
    return this.#stall.promise;
  }

  /** From now on, until the next of these. */
  waitFor(location: string): void {
    const { clock, stallMs } = this.#options;
    this.#cancel();
    this.#cancel = clock.after(stallMs, () => {
      this.#stall.resolve(location);
      this.#stalling.abort();
    });
  }

  /** For no location: it keeps to its pace, waits for the catalog, or has ended. */
  rest(): void {
    this.#cancel();
    this.#cancel = () => {};
  }
}
