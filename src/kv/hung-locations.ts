/**
 * Locations of which something was asked that does not end, as on a share whose server is gone. Each such operation keeps one of the
 * few threads that the process has for files, for as long as that lasts. So of a location that hangs nothing more is asked by whoever
 * keeps to this, until all that hangs there has ended after all.
 */
import type { Scheduler } from "../clock.ts";
import { inTime } from "./in-time.ts";
import { type Location, LocationFault, type ObjectName } from "./location.ts";

/** No answer in time. */
export const HUNG = Symbol("hung");

/** Nothing has this name, so whoever answers says that there is none: where the store itself is not there, that is a fault. */
const NOTHING = "moorline-is-it-there" as ObjectName;

export class HungLocations {
  readonly #clock: Scheduler;
  /** How many operations of each hang; never 0. */
  readonly #hanging = new Map<string, number>();

  constructor(clock: Scheduler) {
    this.#clock = clock;
  }

  isHung(id: string): boolean {
    return this.#hanging.has(id);
  }

  /** It counts as hung until the work ends, however it does. */
  add(id: string, work: Promise<unknown>): void {
    this.#hanging.set(id, (this.#hanging.get(id) ?? 0) + 1);
    const end = (): void => {
      const left = (this.#hanging.get(id) ?? 0) - 1;
      if (left > 0) this.#hanging.set(id, left);
      else this.#hanging.delete(id);
    };
    work.then(end, end);
  }

  /** What the location answers, if that takes no longer than so much. It is not asked while it hangs. */
  async ask<T>(
    { profile: { id } }: Location,
    question: () => Promise<T>,
    ms: number,
  ): Promise<T | typeof HUNG> {
    if (this.isHung(id)) return HUNG;
    const work = question().then((answer) => ({ answer }));
    const ended = await inTime(work, ms, this.#clock);
    if (ended !== undefined) return ended.answer;
    this.add(id, work);
    return HUNG;
  }

  /** Whether its store is there, and says so in time. */
  async isThere(location: Location, ms: number): Promise<boolean> {
    const found = await this.ask(location, () => location.stat(NOTHING), ms);
    return found !== HUNG && !(found instanceof LocationFault);
  }
}
