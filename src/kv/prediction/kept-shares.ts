/**
 * What engines had of the tokens that they may have kept, and after how long. They give up first what nobody has asked for longest: what
 * was there after an hour would have been after a minute, while a minute says nothing of an hour.
 */
import { RECENT } from "./recent-values.ts";

interface KeptShare {
  readonly share: number;
  readonly idleMs: number;
}

/** Turns say something of one that comes later than they did, up to so many times as late. */
const REACH = 2;

export class KeptShares {
  readonly #seen: KeptShare[] = [];
  /** By share. Undefined when one was added since. */
  #sorted: readonly KeptShare[] | undefined;
  #next = 0;

  /** 0..1, in place of the oldest, where there are as many as are kept. */
  add(share: number, idleMs: number): void {
    this.#seen[this.#next] = { share, idleMs };
    this.#next = (this.#next + 1) % RECENT;
    this.#sorted = undefined;
  }

  /** What most had of those that came half as late or later; 0 where none did. */
  after(idleMs: number): number {
    this.#sorted ??= this.#seen.toSorted((left, right) => left.share - right.share);
    const telling = this.#sorted.filter((each) => each.idleMs * REACH >= idleMs);
    return telling[Math.ceil(telling.length / 2) - 1]?.share ?? 0;
  }
}
