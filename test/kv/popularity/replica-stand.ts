/** A replicator over a bench, whose turns tell it what they read. Time stands still but for what a test lets go by. */
import { HungLocations } from "../../../src/kv/hung-locations.ts";
import { ReadLoads } from "../../../src/kv/popularity/read-loads.ts";
import { Popularity } from "../../../src/kv/popularity/popularity.ts";
import { ReadRates } from "../../../src/kv/popularity/read-rates.ts";
import {
  type ReplicaDropped,
  type ReplicaMade,
  type ReplicaPolicy,
  Replicator,
  type ReplicatorOptions,
} from "../../../src/kv/popularity/replicator.ts";
import type { SegmentId } from "../../../src/kv/records.ts";
import { copiesOf } from "../../../src/kv/copies.ts";
import { BenchCopier } from "../../support/bench-copier.ts";
import { session, type TurnBench } from "../../support/turn-bench.ts";

export const HALF_LIFE_MS = 10_000;

export const REPLICA_POLICY: ReplicaPolicy = {
  min: 1,
  max: 8,
  readsPerSecondPerCopy: 1,
  coolDownMs: 60_000,
  idleMs: 3_600_000,
  bytesPerPass: 2 ** 30,
};

export interface ReplicaStandOptions extends Partial<ReplicaPolicy> {
  readonly copier?: ReplicatorOptions["copier"];
  /** Of every location. */
  readonly headroomBytes?: number;
}

export class ReplicaStand {
  readonly bench: TurnBench;
  readonly copier: BenchCopier;
  readonly rates: ReadRates;
  readonly loads: ReadLoads;
  readonly replicator: Replicator;
  readonly made: ReplicaMade[] = [];
  readonly dropped: ReplicaDropped[] = [];
  readonly scrubbed: SegmentId[] = [];
  readonly closing = new AbortController();
  readonly hung: HungLocations;

  constructor(bench: TurnBench, options: ReplicaStandOptions = {}) {
    const { headroomBytes = 0, copier, ...changes } = options;
    const { clock } = bench;
    this.bench = bench;
    this.hung = new HungLocations(clock);
    this.copier = new BenchCopier(bench);
    this.rates = new ReadRates({ clock, halfLifeMs: HALF_LIFE_MS });
    this.loads = new ReadLoads({ clock, weight: () => 1 });
    const popularity = new Popularity({ rates: this.rates, loads: this.loads });
    bench.onRead = (segments) => popularity.read(segments);
    bench.loadOf = (id) => this.loads.load(id);
    this.replicator = new Replicator({
      catalog: bench.catalog,
      copier: copier ?? this.copier,
      checker: bench.checker,
      locations: bench.locations.map((location) => ({ location, headroomBytes })),
      places: bench.places,
      rates: this.rates,
      loads: this.loads,
      clock,
      nowMs: () => clock.now(),
      scrubSoon: (ids) => this.scrubbed.push(...ids),
      hung: this.hung,
      policy: { ...REPLICA_POLICY, ...changes },
      observer: {
        made: (end) => this.made.push(end),
        dropped: (end) => this.dropped.push(end),
      },
    });
  }

  pass(): Promise<void> {
    return this.replicator.pass(this.closing.signal);
  }

  /** Seconds, in each of which so many sessions of those that list the prompt plan a turn, and a pass ends it. */
  async seconds(count: number, plansOf: (second: number) => Promise<void> | void): Promise<void> {
    for (let second = 0; second < count; second++) {
      await plansOf(second);
      await this.bench.clock.advance(1_000);
      await this.pass();
    }
  }

  /** Where the copies of each of the session's segments are. */
  async locationsOf(id: string): Promise<string[][]> {
    const segments = await this.bench.catalog.segments(session(id));
    return segments.map((segment) => copiesOf(segment).map(({ location }) => location));
  }
}
