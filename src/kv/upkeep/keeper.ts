/**
 * Keeps the store as the catalog says it is to be: a loop beside the requests that sweeps, unlinks, evicts where it is asked to,
 * compacts and takes stock. Passes follow each other and never overlap; a pass is made of bounded transactions, between which the
 * event loop is everybody's. Replicas are made and dropped beside the passes, since one copy may take minutes. Nothing in it must have
 * happened: killed anywhere, the next pass of the next process goes on.
 *
 * Time is judged by the wall clock, as in the catalog. One that goes back only makes things stay longer; one that goes forward ends
 * what expires by then, and nothing brings that back. Quarantines and leases shrink with it too, so a jump of hours while engines
 * read or write can take a file from under them: keep the machine's clock slewed.
 */
import type { Clock, Scheduler } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { Catalog } from "../catalog.ts";
import type { Copier } from "../copier.ts";
import type { HungLocations } from "../hung-locations.ts";
import type { Replicator } from "../popularity/replicator.ts";
import type { Pressure } from "../space.ts";
import { pause } from "../verify/pause.ts";
import { Compactor } from "./compactor.ts";
import { Evictor, type KeptLocation } from "./evictor.ts";
import type { KeeperObserver, KeeperPart } from "./keeper-observer.ts";
import { StockTaker } from "./stock-taker.ts";
import { Sweeper } from "./sweeper.ts";

export interface KeeperPolicy {
  /** From the end of a pass to the start of the next; > 0. */
  readonly intervalMs: number;
  /** Of what one transaction changes. */
  readonly limit: number;
  /** From the last use of a file to its unlinking: at least the longest request. */
  readonly quarantineMs: number;
  readonly unlinksAtOnce: number;
  /** That compaction copies in one pass. */
  readonly copyBytesPerPass: number;
  /** What a put left is dead when it is older: at least the longest copy. */
  readonly leftoverMs: number;
  /** From the start of one stock-taking to the start of the next. */
  readonly stockIntervalMs: number;
  /** Of each location that one pass takes stock of. */
  readonly stockEntries: number;
}

export interface KeeperOptions {
  readonly catalog: Catalog;
  readonly locations: readonly KeptLocation[];
  readonly clock: Clock & Scheduler;
  /** Wall clock: whole milliseconds, as in the catalog. */
  readonly nowMs: () => number;
  readonly copier: Pick<Copier, "move">;
  readonly hung: HungLocations;
  /** Undefined where there is no second location. */
  readonly replicator: Pick<Replicator, "pass" | "pressed"> | undefined;
  readonly policy: KeeperPolicy;
  readonly observer: KeeperObserver;
}

export interface Keeper {
  /** Asks for room, from the next pass on. */
  press(pressure: Pressure): void;
  /** Idempotent. Waits for the step under way. */
  close(): Promise<void>;
}

/** Starts at once. */
export function openKeeper(options: KeeperOptions): Keeper {
  return new KeeperLoop(options);
}

/** Of one part of a pass; then the other parts have their turn, and the next pass follows at once. */
const STEPS_LIMIT = 100;

class KeeperLoop implements Keeper {
  readonly #options: KeeperOptions;
  readonly #sweeper: Sweeper;
  readonly #evictor: Evictor;
  readonly #compactor: Compactor;
  readonly #stockTaker: StockTaker;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  /** Undefined while there is nothing of it under way. */
  #replicating: Promise<unknown> | undefined = undefined;

  constructor(options: KeeperOptions) {
    const { catalog, clock, copier, hung, policy, observer } = options;
    const { limit } = policy;
    const kept = options.locations.map(({ location }) => location);
    const locations = new Map(kept.map((location) => [location.profile.id, location]));
    this.#options = options;
    this.#sweeper = new Sweeper({ ...policy, catalog, locations, clock, observer });
    this.#evictor = new Evictor({ catalog, locations: options.locations, hung, observer, limit });
    this.#compactor = new Compactor({
      catalog,
      copier,
      observer,
      bytesPerPass: policy.copyBytesPerPass,
      signal: this.#closing.signal,
    });
    this.#stockTaker = new StockTaker({
      catalog,
      locations: kept,
      clock,
      observer,
      limit: policy.stockEntries,
      intervalMs: policy.stockIntervalMs,
      leftoverMs: policy.leftoverMs,
    });
    this.#running = this.#run();
  }

  press(pressure: Pressure): void {
    this.#evictor.press(pressure);
    this.#options.replicator?.pressed(pressure);
  }

  close(): Promise<void> {
    this.#closing.abort();
    return this.#running;
  }

  async #run(): Promise<void> {
    const { clock, policy, observer } = this.#options;
    while (!this.#closing.signal.aborted) {
      const startMs = clock.now();
      const isBehind = await this.#pass();
      observer.passEnded(clock.now() - startMs);
      await this.#rest(isBehind ? 0 : policy.intervalMs);
    }
    await this.#replicating;
  }

  /** True when a part has more to do than it may in one pass. */
  async #pass(): Promise<boolean> {
    const nowMs = this.#options.nowMs();
    const isSweepBehind = await this.#part("sweep", () => this.#sweeper.step(nowMs));
    const isEvictionBehind = await this.#part("evict", () => this.#evictor.step(nowMs));
    await this.#part("compact", () => this.#compactor.pass());
    this.#replicate();
    await this.#part("stock", () => this.#stockTaker.pass(nowMs));
    return isSweepBehind || isEvictionBehind;
  }

  #replicate(): void {
    const { replicator } = this.#options;
    if (replicator === undefined) return;
    this.#replicating ??= this.#part("replicate", () =>
      replicator.pass(this.#closing.signal),
    ).finally(() => (this.#replicating = undefined));
  }

  /** Step after step while it answers that there is more. A part that fails keeps no other from its turn. */
  async #part(part: KeeperPart, step: () => Promise<boolean | void> | undefined): Promise<boolean> {
    try {
      for (let steps = 0; steps < STEPS_LIMIT; steps++) {
        if (this.#closing.signal.aborted || (await step()) !== true) return false;
        await this.#rest(0);
      }
      return true;
    } catch (reason) {
      const error = reason instanceof Error ? reason : AppError.from(reason);
      this.#options.observer.failed(part, error);
      return false;
    }
  }

  #rest(delayMs: number): Promise<void> {
    return pause(this.#options.clock, delayMs, this.#closing.signal);
  }
}
