import type { Clock } from "../../clock.ts";

/** What is left alone for a while, as something was done about it. Holds no more than was begun within that while. */
export class CoolDowns<K> {
  readonly #clock: Clock;
  readonly #coolDownMs: number;
  /** When each is over, the next one first. */
  readonly #endsMs = new Map<K, number>();

  constructor(clock: Clock, coolDownMs: number) {
    this.#clock = clock;
    this.#coolDownMs = coolDownMs;
  }

  begin(key: K): void {
    this.#endsMs.delete(key);
    this.#endsMs.set(key, this.#clock.now() + this.#coolDownMs);
    this.#forgetEnded();
  }

  isCooling(key: K): boolean {
    const endMs = this.#endsMs.get(key);
    return endMs !== undefined && this.#clock.now() < endMs;
  }

  get size(): number {
    return this.#endsMs.size;
  }

  #forgetEnded(): void {
    for (const [key, endMs] of this.#endsMs) {
      if (this.#clock.now() < endMs) return;
      this.#endsMs.delete(key);
    }
  }
}
