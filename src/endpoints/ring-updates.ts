/**
 * Keeps one pool's ring up with its list, off the request path: a build runs in bounded steps with other work of the event
 * loop between them, one build at a time, each from the result of the one before. A list that changes meanwhile is built
 * next; the build under way is finished, not dropped, so that a restless discovery cannot starve the ring.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Ring, RingMember } from "../affinity/ring.ts";
import { AppError } from "../errors.ts";

/**
 * Ranks members in bounded steps, reusing the ring before; the same ring again if it has these members already. Members
 * with a weight <= 0 are left out.
 */
export type BuildRing = (
  previous: Ring | undefined,
  members: readonly RingMember[],
) => Generator<unknown, Ring>;

export interface RingUpdatesOptions {
  readonly buildRing: BuildRing;
  /** The members of the newest list. */
  readonly wanted: () => readonly RingMember[];
  /** There is another ring, perhaps of a list that is no longer the newest. */
  readonly changed: (ring: Ring) => void;
  /** The ring is that of the newest list. */
  readonly caughtUp: () => void;
  /** A bug: the former ring stays, and the next list is tried again. */
  readonly failed: (error: AppError) => void;
}

export class RingUpdates {
  readonly #options: RingUpdatesOptions;
  #ring: Ring;
  /** Counts the requests, so that a build knows whether another list has come meanwhile. */
  #requested = 0;
  /** Set while the ring is behind. */
  #running: Promise<void> | undefined;
  #isClosed = false;

  /** Starts with the ring of no members. */
  constructor(options: RingUpdatesOptions) {
    this.#options = options;
    this.#ring = runAtOnce(options.buildRing(undefined, []));
  }

  get ring(): Ring {
    return this.#ring;
  }

  /** The list has changed; once closed, nothing comes of it. The build begins in a later turn, so that changes which come together are built once. */
  request(): void {
    this.#requested++;
    this.#running ??= this.#run();
  }

  /** Resolves when no build is due. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Drops the build under way. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    try {
      let building: number;
      do {
        await nextTurn();
        building = this.#requested;
        await this.#build();
        if (this.#isClosed) return;
      } while (building !== this.#requested);
      this.#options.caughtUp();
    } catch (reason) {
      this.#options.failed(AppError.from(reason));
    } finally {
      this.#running = undefined;
    }
  }

  async #build(): Promise<void> {
    const steps = this.#options.buildRing(this.#ring, this.#options.wanted());
    while (!this.#isClosed) {
      const step = steps.next();
      if (step.done !== true) {
        await nextTurn();
      } else {
        const isNew = step.value !== this.#ring;
        this.#ring = step.value;
        if (isNew) this.#options.changed(step.value);
        return;
      }
    }
  }
}

function runAtOnce<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
