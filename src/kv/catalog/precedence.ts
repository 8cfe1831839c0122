/**
 * Upkeep gives way to requests. A commit holds up every write that is called while it is under way, and one of the keeper's writes
 * many pages: so it begins when no request waits for a commit, and never shares one with a request that would have to wait for all
 * of it.
 */

/** Answers to requests that one write of upkeep waits for, so that requests without end do not keep it from its turn. */
export const GIVES_WAY_LIMIT = 32;

type Write<T> = () => Promise<T>;

export class Precedence {
  #requests = 0;
  #answer = Promise.withResolvers<void>();

  async request<T>(write: Write<T>): Promise<T> {
    this.#requests++;
    try {
      return await write();
    } finally {
      this.#requests--;
      this.#answer.resolve();
      this.#answer = Promise.withResolvers();
    }
  }

  /** Those that are called together begin together, in the order of their calls. */
  async upkeep<T>(write: Write<T>): Promise<T> {
    for (let answers = 0; this.#requests > 0 && answers < GIVES_WAY_LIMIT; answers++) {
      await this.#answer.promise;
    }
    return write();
  }
}
