/** How much memory the bodies under way may hold, all of them together. */
import { CHUNK_BYTES } from "./body-watch.ts";

export class BytesInFlight {
  readonly #limit: number;
  readonly #changed: (bytes: number) => void;
  #held = 0;

  /** `changed` is told what is held from now on. */
  constructor(limit: number, changed: (bytes: number) => void) {
    this.#limit = limit;
    this.#changed = changed;
  }

  /** Holds two chunks, or a shorter body, until the answer is called. Undefined where that would be too much. */
  take(bodyBytes: number): (() => void) | undefined {
    const bytes = Math.min(bodyBytes, 2 * CHUNK_BYTES);
    if (this.#held + bytes > this.#limit) return undefined;
    this.#add(bytes);
    return () => this.#add(-bytes);
  }

  #add(bytes: number): void {
    this.#held += bytes;
    this.#changed(this.#held);
  }
}
