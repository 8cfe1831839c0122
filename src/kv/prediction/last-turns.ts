import type { SessionKey } from "../records.ts";
import type { ObservedTurn, Prediction, TurnErrors } from "./prediction.ts";

/** How a turn was, beside what was said of it when its request was released. */
export interface ComparedTurn {
  readonly turn: ObservedTurn;
  readonly prediction: Prediction;
  readonly errors: TurnErrors;
}

/** The last turn of each session, of the sessions that had one most recently. */
export class LastTurns {
  readonly #limit: number;
  /** Oldest first. */
  readonly #turns = new Map<string, ComparedTurn>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  set(session: SessionKey, turn: ComparedTurn): void {
    const key = keyOf(session);
    this.#turns.delete(key);
    this.#turns.set(key, turn);
    for (const oldest of this.#turns.keys()) {
      if (this.#turns.size <= this.#limit) break;
      this.#turns.delete(oldest);
    }
  }

  lookup(session: SessionKey): ComparedTurn | undefined {
    return this.#turns.get(keyOf(session));
  }
}

/** Neither part has a NUL in it. */
function keyOf({ tenant, id }: SessionKey): string {
  return `${tenant}\0${id}`;
}
