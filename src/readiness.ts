import type { Readiness } from "./admin/ports.ts";

/** Ready when all that it waits for is done, until the drain: over HTTP and over gRPC alike. */
export class ReadinessGate {
  readonly #changed: (isReady: boolean) => void;
  /** Why not, for people. Ready while empty. */
  readonly #reasons = new Set<string>();

  /** `changed` hears of each change; it starts out ready for nothing, so call `waitFor` first. */
  constructor(changed: (isReady: boolean) => void) {
    this.#changed = changed;
  }

  now(): Readiness {
    return { isReady: this.#reasons.size === 0, reasons: [...this.#reasons] };
  }

  /** Not ready, for this reason, until `done` resolves. */
  waitFor(reason: string, done: Promise<unknown>): void {
    this.#reasons.add(reason);
    void done.then(() => {
      this.#reasons.delete(reason);
      if (this.#reasons.size === 0) this.#changed(true);
    });
  }

  /** Not ready any more, for good. */
  drain(): void {
    this.#reasons.add("draining");
    this.#changed(false);
  }
}
