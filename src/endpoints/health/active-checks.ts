/**
 * Asks every endpoint at its own pace whether it is well. One timer per endpoint with jitter, so that a thousand endpoints
 * are not asked in the same instant, and one limit on the checks in flight.
 */
import type { Cancel, Clock, Random, Scheduler } from "../../clock.ts";

/** Why a check failed, in a few words: `404 from GET /health`, `ECONNREFUSED`. Undefined: it passed. */
export type CheckFailure = string | undefined;

/** Asks once; an abort of the signal ends it early, and is a failure. Never rejects. */
export type Probe = (target: CheckTarget, signal: AbortSignal) => Promise<CheckFailure>;

export interface CheckTarget {
  readonly host: string;
  readonly port: number;
}

/** One endpoint's checks, going on until stopped. */
export interface Check {
  /** Checks now instead of at the next turn. At most once per second: signs come in crowds. */
  sooner(): void;
  /** Ends it; a check in flight is cut off and never reported. Idempotent. */
  stop(): void;
}

/** Starts checking at once. `report` hears each outcome and may call `stop`. */
export interface Checks {
  watch(target: CheckTarget, report: (failure: CheckFailure) => void): Check;
}

export interface ActiveChecksOptions {
  readonly probe: Probe;
  /** From the start of one check to the start of the next, +- 10 %. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock & Scheduler;
  readonly random: Random;
}

/** In flight at once: enough for 10,000 checks in some seconds, few enough sockets for the default limit of 1,024 files. */
const MAX_IN_FLIGHT = 256;
const MIN_BETWEEN_SOONER_MS = 1_000;

export class ActiveChecks implements Checks {
  readonly #options: ActiveChecksOptions;
  readonly #checks = new Set<EndpointCheck>();
  /** Due, and waiting for one in flight to end; in order of arrival. */
  readonly #waiting: EndpointCheck[] = [];
  #inFlight = 0;

  constructor(options: ActiveChecksOptions) {
    this.#options = options;
  }

  watch(target: CheckTarget, report: (failure: CheckFailure) => void): Check {
    const check: EndpointCheck = new EndpointCheck({
      ...this.#options,
      target,
      report,
      due: () => this.#enqueue(check),
      stopped: () => this.#checks.delete(check),
    });
    this.#checks.add(check);
    this.#enqueue(check);
    return check;
  }

  /** Stops every check. Resolves when nothing is in flight. Idempotent. */
  async close(): Promise<void> {
    const checks = [...this.#checks];
    for (const check of checks) check.stop();
    await Promise.all(checks.map((check) => check.ended));
  }

  #enqueue(check: EndpointCheck): void {
    this.#waiting.push(check);
    this.#startWaiting();
  }

  #startWaiting(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const check = this.#waiting.shift();
      if (check === undefined) return;
      this.#inFlight++;
      void check.run().finally(() => {
        this.#inFlight--;
        this.#startWaiting();
      });
    }
  }
}

interface EndpointCheckOptions extends ActiveChecksOptions {
  readonly target: CheckTarget;
  readonly report: (failure: CheckFailure) => void;
  /** It wants to `run`. */
  readonly due: () => void;
  readonly stopped: () => void;
}

class EndpointCheck implements Check {
  readonly #options: EndpointCheckOptions;
  /** Set between two checks; unset while one waits for its turn or is in flight. */
  #cancelNext: Cancel | undefined;
  /** Cuts off the check in flight. */
  #abort: AbortController | undefined;
  #lastSoonerMs = -Infinity;
  #isStopped = false;
  /** Settles with the last check that was begun. */
  ended: Promise<void> = Promise.resolve();

  constructor(options: EndpointCheckOptions) {
    this.#options = options;
  }

  run(): Promise<void> {
    this.ended = this.#isStopped ? Promise.resolve() : this.#probeOnce();
    return this.ended;
  }

  sooner(): void {
    const nowMs = this.#options.clock.now();
    if (this.#cancelNext === undefined || nowMs - this.#lastSoonerMs < MIN_BETWEEN_SOONER_MS)
      return;
    this.#lastSoonerMs = nowMs;
    this.#cancelNext();
    this.#cancelNext = undefined;
    this.#options.due();
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#abort?.abort();
    this.#cancelNext?.();
    this.#cancelNext = undefined;
    this.#options.stopped();
  }

  async #probeOnce(): Promise<void> {
    const { clock, probe, target, timeoutMs, intervalMs, random, report, due } = this.#options;
    const startedMs = clock.now();
    const abort = new AbortController();
    this.#abort = abort;
    const cancelTimeout = clock.after(timeoutMs, () => abort.abort());
    const failure = await probe(target, abort.signal);
    cancelTimeout();
    if (this.#isStopped) return;
    // Scheduled before the report, so that `sooner` works from within it.
    const delayMs = intervalMs * (0.9 + 0.2 * random()) - (clock.now() - startedMs);
    this.#cancelNext = clock.after(Math.max(0, delayMs), () => {
      this.#cancelNext = undefined;
      due();
    });
    report(abort.signal.aborted ? `timeout ${timeoutMs} ms` : failure);
  }
}
