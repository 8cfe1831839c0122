/**
 * Tells engines that sessions of ours are over: what they keep of one is of no use to anybody. One request at a time to each
 * engine, on connections of their own, in order; what does not go through is counted and forgotten, since an engine that ends
 * forgets it too.
 */
import type { Scheduler } from "../../clock.ts";
import { formatAddress } from "../../endpoints/endpoint.ts";
import type { EngineTarget } from "./engine-connection.ts";
import type { EngineObserver } from "./engine-observer.ts";

/** Whether the engine has closed it. Never rejects; an abort of the signal ends it early. */
export type CloseSession = (
  target: EngineTarget,
  engineSession: string,
  signal: AbortSignal,
) => Promise<boolean>;

export interface SessionCloserOptions {
  readonly closeSession: CloseSession;
  readonly scheduler: Scheduler;
  readonly observer: Pick<EngineObserver, "sessionClosed">;
}

/** Sessions that wait for one engine: some seconds of turns. */
export const CLOSE_QUEUE_LIMIT = 256;
export const CLOSE_TIMEOUT_MS = 5_000;

export class SessionCloser {
  readonly #options: SessionCloserOptions;
  /** By address, of engines that are being told: what waits. */
  readonly #queues = new Map<string, string[]>();
  readonly #inFlight = new Map<AbortController, Promise<void>>();
  #isClosed = false;

  constructor(options: SessionCloserOptions) {
    this.#options = options;
  }

  /** Returns at once. */
  closeSession(target: EngineTarget, engineSession: string): void {
    if (this.#isClosed) return;
    const address = addressOf(target);
    const queue = this.#queues.get(address);
    if (queue === undefined) {
      this.#queues.set(address, []);
      this.#start(target, engineSession);
    } else if (queue.length < CLOSE_QUEUE_LIMIT) queue.push(engineSession);
    else this.#options.observer.sessionClosed("queue_full");
  }

  /** What waits is given up. Resolves when nothing is in flight. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const call of this.#inFlight.keys()) call.abort();
    await Promise.all(this.#inFlight.values());
  }

  #start(target: EngineTarget, engineSession: string): void {
    const call = new AbortController();
    this.#inFlight.set(call, this.#run(call, target, engineSession));
  }

  async #run(call: AbortController, target: EngineTarget, engineSession: string): Promise<void> {
    const { closeSession, scheduler, observer } = this.#options;
    const cancel = scheduler.after(CLOSE_TIMEOUT_MS, () => call.abort());
    const isDone = await closeSession(target, engineSession, call.signal);
    cancel();
    this.#inFlight.delete(call);
    if (this.#isClosed) return;
    observer.sessionClosed(isDone ? "closed" : "failed");
    const address = addressOf(target);
    const next = this.#queues.get(address)?.shift();
    if (next === undefined) this.#queues.delete(address);
    else this.#start(target, next);
  }
}

function addressOf({ host, port }: EngineTarget): string {
  return formatAddress(host, port);
}
