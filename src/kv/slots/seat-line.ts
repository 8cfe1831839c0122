/**
 * One line for everything that turns at a server wait for: that their session's other turn is over, and that a slot is free which they can use. Whatever becomes free is offered to
 * those in line by the order in which they came, and each takes it or leaves it. So whoever has waited for longest and can use a thing gets it, and nobody is overtaken by one who wants the same.
 *
 * It holds for newcomers too, who try before they stand in line: what they could take was left by all who are in it. For that, whoever frees something calls `offer`.
 */
export class SeatLine {
  readonly #limit: number;
  /** By their order, the first first. */
  readonly #entries: Entry[] = [];
  #arrivals = 0;
  #standing = 0;

  /** `limit`: of places that had to wait and are not left yet. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get standing(): number {
    return this.#standing;
  }

  /** Behind all who came before. To be left, however it ends. */
  enter(): LinePlace {
    const order = this.#arrivals++;
    let [isStanding, hasStood] = [false, false];
    const stand = (): boolean => {
      if (isStanding) return true;
      // Who has stood in it was given something that proved of no use, and comes back to where it was.
      if (!hasStood && this.#standing >= this.#limit) return false;
      [isStanding, hasStood] = [true, true];
      this.#standing += 1;
      return true;
    };
    return {
      wait: async (take, over) => {
        if (over.aborted) return "over";
        const taken = take();
        if (taken !== undefined) return taken;
        return stand() ? await this.#wait(order, take, over) : "full";
      },
      leave: () => {
        if (isStanding) this.#standing -= 1;
        isStanding = false;
      },
    };
  }

  /** Something that turns may wait for is free. */
  offer(): void {
    for (const entry of this.#entries.slice()) entry.attempt();
  }

  #wait<T>(order: number, take: () => T | undefined, over: AbortSignal): Promise<T | "over"> {
    return new Promise((resolve) => {
      const end = (result: T | "over"): void => {
        over.removeEventListener("abort", leave);
        this.#entries.splice(this.#entries.indexOf(entry), 1);
        resolve(result);
      };
      const leave = (): void => end("over");
      const attempt = (): void => {
        const taken = take();
        if (taken !== undefined) end(taken);
      };
      const entry: Entry = { order, attempt };
      const behind = this.#entries.findIndex((other) => other.order > order);
      this.#entries.splice(behind === -1 ? this.#entries.length : behind, 0, entry);
      over.addEventListener("abort", leave);
    });
  }
}

export interface LinePlace {
  /**
   * `take` is asked at once and at each offer, and takes by answering with something. `over`: the signal was aborted first; whatever was taken before stays taken. `full`: it would have
   * to wait, and too many do. It may wait again, for something else, and keeps its order.
   */
  wait<T extends object | number>(
    take: () => T | undefined,
    over: AbortSignal,
  ): Promise<T | "over" | "full">;
  /** Idempotent; it stands in line no more, until it waits again. */
  leave(): void;
}

interface Entry {
  readonly order: number;
  readonly attempt: () => void;
}
