/** Turns that wait for their session's open turn to end. */
import type { Scheduler } from "../../clock.ts";
import type { SessionKey } from "../records.ts";

export class SessionQueue {
  readonly #scheduler: Scheduler;
  readonly #limit: number;
  readonly #wakers = new Map<string, Set<() => void>>();
  #waiting = 0;
  #isClosed = false;

  /** `limit`: of all that wait, for whatever session. */
  constructor(scheduler: Scheduler, limit: number) {
    this.#scheduler = scheduler;
    this.#limit = limit;
  }

  /** Until the session is woken, the signal is aborted or the time is over, whichever is first. False, at once, where too many wait. */
  async wait(session: SessionKey, ms: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted === true) return true;
    if (this.#isClosed || this.#waiting >= this.#limit) return false;
    const at = textOf(session);
    const wakers = this.#wakers.get(at) ?? new Set();
    this.#wakers.set(at, wakers);
    this.#waiting += 1;
    await new Promise<void>((resolve) => {
      const wake = () => {
        cancel();
        signal?.removeEventListener("abort", wake);
        wakers.delete(wake);
        this.#waiting -= 1;
        resolve();
      };
      const cancel = this.#scheduler.after(ms, wake);
      signal?.addEventListener("abort", wake);
      wakers.add(wake);
    });
    if (wakers.size === 0 && this.#wakers.get(at) === wakers) this.#wakers.delete(at);
    return true;
  }

  wake(session: SessionKey): void {
    for (const wake of this.#wakers.get(textOf(session)) ?? []) wake();
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    for (const wakers of this.#wakers.values()) for (const wake of wakers) wake();
  }
}

/** Neither part has a NUL. */
function textOf({ tenant, id }: SessionKey): string {
  return `${tenant}\0${id}`;
}
