/**
 * How busy locations are with reading: bytes that were handed out to be read lately, in this process, by the weight of the location.
 * Of equal copies the one at the least busy is read, so that reads spread as the weights are. Bytes and not reads: of a prompt's
 * segments, large and small by turns, one location would be told all the large ones.
 */
import type { Clock } from "../../clock.ts";
import { NO_LEVEL, raised, sumAt } from "./decayed-sum.ts";

export interface ReadLoadsOptions {
  readonly clock: Clock;
  /** Of locations that are there; > 0. */
  readonly weight: (location: string) => number;
}

/** About as long as what was handed out is being read. */
export const LOAD_HALF_LIFE_MS = 10_000;

export class ReadLoads {
  readonly #options: ReadLoadsOptions;
  readonly #levels = new Map<string, number>();
  readonly #startMs: number;

  constructor(options: ReadLoadsOptions) {
    this.#options = options;
    this.#startMs = options.clock.now();
  }

  /** `bytes` > 0. */
  add(location: string, bytes: number): void {
    const amount = bytes / this.#options.weight(location);
    const level = this.#levels.get(location) ?? NO_LEVEL;
    this.#levels.set(location, raised(level, amount, this.#halfLives));
  }

  load(location: string): number {
    return sumAt(this.#levels.get(location) ?? NO_LEVEL, this.#halfLives);
  }

  get #halfLives(): number {
    return (this.#options.clock.now() - this.#startMs) / LOAD_HALF_LIFE_MS;
  }
}
