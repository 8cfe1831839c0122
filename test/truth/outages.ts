/** When something was taken away that answers depend on: what is broken then is explained, and nothing else is. */

/** After it is back: connections that are made again, checks that must see it. */
const AFTERMATH_MS = 1_000;

interface Outage {
  readonly fromMs: number;
  untilMs: number;
}

export class Outages {
  readonly #outages: Outage[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Call the result when it is back. */
  begin(): () => void {
    const outage = { fromMs: this.#now(), untilMs: Infinity };
    this.#outages.push(outage);
    return () => void (outage.untilMs = this.#now() + AFTERMATH_MS);
  }

  explain(fromMs: number, untilMs: number): boolean {
    return this.#outages.some((outage) => outage.fromMs <= untilMs && fromMs <= outage.untilMs);
  }
}
