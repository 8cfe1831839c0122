/** Bodies of a pool as they are read, and how much of the time that Envoy waits for an answer to each is left. */
import type { MaybePromise } from "../../affinity/binding-store.ts";
import type { Clock, Scheduler } from "../../clock.ts";
import type { JsonVisitor } from "../../json/json-walk.ts";
import { unhurried } from "../../json/slices.ts";
import type { Dialect, ReadBody, UnreadableBody } from "../dialects/dialect.ts";
import { rest } from "../turns/unhurried.ts";
import type { PathObserver } from "./path-observer.ts";

export interface HeldBodiesOptions {
  readonly pool: string;
  readonly dialect: Pick<Dialect, "readBodyInSlices">;
  readonly holdMs: number;
  readonly clock: Clock & Scheduler;
  readonly observer: Pick<PathObserver, "spent">;
}

/** Of the time that Envoy waits, from the reading of a body on, so that the answer to it is there before it ends. */
export const PLANNING_SHARE = 0.8;

export class HeldBodies {
  readonly #options: HeldBodiesOptions;
  /** When each began to be read, which is since when Envoy waits. */
  readonly #sinceMs = new WeakMap<ReadBody, number>();

  constructor(options: HeldBodiesOptions) {
    this.#options = options;
  }

  /** As `KvPool`. */
  read(
    path: string,
    body: Uint8Array,
    also?: JsonVisitor,
  ): MaybePromise<ReadBody | UnreadableBody> {
    const { clock, dialect, observer, pool } = this.#options;
    const fromMs = clock.now();
    const over = (read: ReadBody | UnreadableBody) => {
      observer.spent({ pool, part: "read", elapsedMs: clock.now() - fromMs });
      if (read.kind === "body") this.#sinceMs.set(read, fromMs);
      return read;
    };
    const slices = dialect.readBodyInSlices(path, body, also);
    const read = unhurried(slices, () => rest(clock));
    return read instanceof Promise ? read.then(over) : over(read);
  }

  /** Monotonic: until then its turn is to be planned. */
  untilMs(body: ReadBody): number {
    const { clock, holdMs } = this.#options;
    return (this.#sinceMs.get(body) ?? clock.now()) + holdMs * PLANNING_SHARE;
  }
}
