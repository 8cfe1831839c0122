/** Deletes what has expired at a steady rate, pass after pass, and unlinks the files that nothing refers to any more. */
import { setTimeout as pause } from "node:timers/promises";
import type { Catalog } from "../../src/kv/catalog.ts";
import type { Location, ObjectName } from "../../src/kv/location.ts";

export interface SweeperOptions {
  readonly catalog: Catalog;
  readonly location: Location;
  readonly nowMs: () => number;
  /** Of one pass. */
  readonly limit: number;
  readonly quarantineMs: number;
}

/** Between passes that find nothing more to do. */
const IDLE_MS = 5;

export class Sweeper {
  readonly #options: SweeperOptions;
  #isStopped = false;
  #running: Promise<void> | undefined;
  /** Sessions that were ended. */
  expired = 0;
  /** Files that were removed. */
  unlinked = 0;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { catalog, location, nowMs, limit, quarantineMs } = this.#options;
    while (!this.#isStopped) {
      const report = await catalog.sweep({ nowMs: nowMs(), limit, quarantineMs });
      this.expired += report.expiredSessions;
      await Promise.all(report.unlinkable.map(({ name }) => this.#unlink(location, name)));
      if (report.unlinkable.length > 0) await catalog.unlinked(report.unlinkable);
      if (!report.isFull) await pause(IDLE_MS);
    }
  }

  async #unlink(location: Location, name: ObjectName): Promise<void> {
    if ((await location.remove(name)) === true) this.unlinked += 1;
  }
}
