/** A keeper over a bench's catalog and directories. Its time stands still except while a pass is waited for. */
import type { SweepReport } from "../../../src/kv/catalog.ts";
import { Copier } from "../../../src/kv/copier.ts";
import type { SegmentId } from "../../../src/kv/records.ts";
import {
  type Keeper,
  type KeeperOptions,
  type KeeperPolicy,
  openKeeper,
} from "../../../src/kv/upkeep/keeper.ts";
import type {
  CompactionEnd,
  Eviction,
  StockTake,
  UnlinkEnd,
} from "../../../src/kv/upkeep/keeper-observer.ts";
import { settle } from "../../support/fake-clock.ts";
import { entriesIn } from "../../support/root-entries.ts";
import { session, type TurnBench } from "../../support/turn-bench.ts";
import { unhurriedCopies } from "../../support/unhurried-copies.ts";

export const COPY_MS = 60_000;

export const KEEPER_POLICY: KeeperPolicy = {
  intervalMs: 1_000,
  limit: 100,
  quarantineMs: 900_000,
  unlinksAtOnce: 4,
  copyBytesPerPass: 2 ** 30,
  leftoverMs: COPY_MS,
  stockIntervalMs: 3_600_000,
  stockEntries: 100,
};

export interface StandOptions extends Partial<KeeperPolicy> {
  /** Of every location. */
  readonly headroomBytes?: number;
  readonly replicator?: KeeperOptions["replicator"];
  /** Default that of the bench. */
  readonly wallMs?: () => number;
}

export class KeeperStand {
  readonly bench: TurnBench;
  readonly keeper: Keeper;
  readonly copier: Copier;
  readonly sweeps: SweepReport[] = [];
  readonly ends: UnlinkEnd[] = [];
  readonly evictions: Eviction[] = [];
  readonly copies: CompactionEnd[] = [];
  readonly stocks: StockTake[] = [];
  readonly orphans: string[] = [];
  readonly failures: string[] = [];
  readonly scrubbed: SegmentId[] = [];
  passes = 0;
  #replications = 0;

  constructor(bench: TurnBench, options: StandOptions = {}) {
    const { headroomBytes = 0, wallMs = () => bench.clock.now(), ...others } = options;
    const { replicator, ...changes } = others;
    let names = 0;
    const unhurried = unhurriedCopies();
    this.bench = bench;
    this.copier = new Copier({
      catalog: bench.catalog,
      locations: new Map(bench.locations.map((each) => [each.profile.id, each])),
      nowMs: wallMs,
      newName: () => `copy${bench.clock.now()}-${++names}`,
      scrubSoon: (ids) => this.scrubbed.push(...ids),
      copyMs: COPY_MS,
      ...unhurried,
    });
    this.keeper = openKeeper({
      catalog: bench.catalog,
      locations: bench.locations.map((location) => ({ location, headroomBytes })),
      clock: bench.clock,
      nowMs: wallMs,
      copier: this.copier,
      hung: unhurried.hung,
      replicator: replicator && {
        pressed: (pressure) => replicator.pressed(pressure),
        pass: (signal) => {
          this.#replications++;
          return replicator.pass(signal).finally(() => this.#replications--);
        },
      },
      policy: { ...KEEPER_POLICY, ...changes },
      observer: {
        swept: (report) => this.sweeps.push(report),
        unlinked: (end) => this.ends.push(end),
        evicted: (eviction) => this.evictions.push(eviction),
        compacted: (end) => this.copies.push(end),
        stockTaken: (stock) => this.stocks.push(stock),
        orphan: (_, name) => this.orphans.push(name),
        failed: (part, { message }) => this.failures.push(`${part}: ${message}`),
        passEnded: () => this.passes++,
      },
    });
  }

  /** Until a pass has ended that began from now on, with the replicas that it began: the one under way, if any, is not it. */
  async pass(): Promise<void> {
    await this.#ended(this.passes + 2);
  }

  /** A pass for which all that time has gone by. */
  async passAfter(ms: number): Promise<void> {
    await this.bench.clock.advance(ms);
    await this.pass();
  }

  /** What each object that was to be unlinked came to. */
  results(): string[] {
    return this.ends.map(({ file, result }) => `${file.name} ${result}`).toSorted();
  }

  async #ended(target: number): Promise<void> {
    while (this.passes < target || this.#replications > 0) await this.step();
  }

  /** Lets what is under way go on, or the next thing begin. */
  async step(): Promise<void> {
    const { clock } = this.bench;
    if (clock.pendingTimers === 0 || this.#replications > 0) await settle();
    else await clock.advance(KEEPER_POLICY.intervalMs);
  }
}

/** The files in the root of the disk, those of others too, without what is the location's own. */
export function filesOf({ root }: TurnBench): Promise<string[]> {
  return entriesIn(root);
}

export async function end({ desk }: TurnBench, id: string): Promise<void> {
  await desk.end(session(id));
}
