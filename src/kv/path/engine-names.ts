/**
 * Names of engine processes as turns of the request path have them: each begins with that of the process of ours that gave it. So those of
 * a process that was killed are known by the next one: nobody else would have reported their turns. No caller of the API can give
 * such a name: it has a space in it.
 */
import type { EngineInstance } from "../records.ts";

const PATH = "path ";

export class EngineNames {
  readonly #newName: () => string;
  readonly #own: string;

  /** Random, never the same twice. */
  constructor(newName: () => string) {
    this.#newName = newName;
    this.#own = `${PATH}${newName()} `;
  }

  next(): EngineInstance {
    return `${this.#own}${this.#newName()}`;
  }

  /** Given by a process before this one. */
  isLost(engine: EngineInstance): boolean {
    return engine.startsWith(PATH) && !engine.startsWith(this.#own);
  }
}
