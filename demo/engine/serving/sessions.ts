/**
 * Sessions of the engine's own, which have nothing to do with stored KV but their id: a request may go on from the tokens of an
 * earlier one instead of sending them again. Bounded, the oldest going first, since nobody has to close one.
 */
import { BadRequest } from "../protocol/bad-request.ts";
import type { SessionUse } from "../protocol/generate.ts";

const SESSIONS_LIMIT = 4096;

interface Exchange {
  readonly prompt: readonly number[];
  readonly output: readonly number[];
}

export class EngineSessions {
  /** The finished requests of each, by their ids. */
  readonly #sessions = new Map<string, Map<string, Exchange>>();

  get count(): number {
    return this.#sessions.size;
  }

  /** False where it is open already. */
  open(id: string): boolean {
    if (this.#sessions.has(id)) return false;
    this.#sessions.set(id, new Map());
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= SESSIONS_LIMIT) break;
      this.#sessions.delete(oldest);
    }
    return true;
  }

  /** Idempotent. */
  close(id: string): void {
    this.#sessions.delete(id);
  }

  /** The whole prompt of a request with these ids. */
  prompt(use: SessionUse, ids: readonly number[]): readonly number[] {
    const session = this.#sessions.get(use.id);
    const earlier = use.rid === undefined ? undefined : session?.get(use.rid);
    if (session === undefined || (use.rid !== undefined && earlier === undefined)) {
      throw new BadRequest(`Invalid request session id ${use.id}`);
    }
    if (earlier === undefined) {
      if (use.replaces) session.clear();
      return ids;
    }
    const { prompt, output } = earlier;
    const before = use.dropsPreviousOutput ? prompt : [...prompt, ...output];
    return [...(use.offset ? before.slice(0, use.offset) : before), ...ids];
  }

  finished(id: string, rid: string, exchange: Exchange): void {
    this.#sessions.get(id)?.set(rid, exchange);
  }
}
