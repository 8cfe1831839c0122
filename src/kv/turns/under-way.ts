/** Work that uses what its owner does not own, so that the owner is closed only when all of it is over. */
import { AppError } from "../../errors.ts";

export class UnderWay {
  readonly #running = new Set<Promise<unknown>>();
  #isClosed = false;

  /** Throws when closed. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new AppError("internal", "work was begun on what is closed");
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Idempotent. Begins nothing any more, and waits for what was begun. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#running);
  }
}
