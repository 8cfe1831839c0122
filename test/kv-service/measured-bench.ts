/** A turn desk in process, with the verifier and the metrics that a service has. */
import { crc32 } from "node:zlib";
import { Registry } from "prom-client";

import { KvMetrics } from "../../src/admin/kv-metrics.ts";
import { TwoPassVerifier } from "../../src/kv/verify/two-pass-verifier.ts";
import { createKvObservers } from "../../src/kv-observers.ts";
import { createLogger } from "../../src/log.ts";
import type { Benches } from "../kv/turns/catalogs.ts";
import { settle } from "../support/fake-clock.ts";
import type { BenchOptions, TurnBench } from "../support/turn-bench.ts";

export class MeasuredBench {
  readonly turns: TurnBench;
  readonly #registry: Registry;

  static async open(
    benches: Benches,
    options: Omit<BenchOptions, "catalog"> = {},
  ): Promise<MeasuredBench> {
    const registry = new Registry();
    const log = createLogger({ level: "silent", sessionIds: "hash" });
    const observers = createKvObservers({
      log,
      metrics: new KvMetrics(registry),
      sessionNamed: new Set<string>(),
    });
    const turns = await benches.open({
      ...options,
      observer: observers.turns({ settled: () => {}, stored: () => {} }),
      verifier: (clock) =>
        new TwoPassVerifier({
          clock,
          crc32,
          observer: observers.verifier,
          quietMs: 100,
          settleMaxMs: 1_000,
          engine: "none",
          probeTimeoutMs: 100,
          passesLimit: 4,
          passBytesLimit: 2 ** 20,
          queueLimit: 100,
        }),
    });
    return new MeasuredBench(turns, registry);
  }

  constructor(turns: TurnBench, registry: Registry) {
    this.turns = turns;
    this.#registry = registry;
  }

  /** Label values with their counts, without those of 0. */
  async counts(name: string): Promise<Readonly<Record<string, number>>> {
    const metric = await this.#registry.getSingleMetric(`moorline_${name}`)?.get();
    const rows = metric?.values ?? [];
    const shown = rows.filter(({ value }) => value > 0);
    return Object.fromEntries(
      shown.map(({ value, labels }) => [Object.values(labels).join(" "), value]),
    );
  }

  /** A whole turn, listed or dropped when this is over. */
  async turn(id: string, prompt: string, output: string) {
    const plan = await this.turns.plan(id, prompt, { maxNewTokens: output.length });
    if (plan.fresh.kind === "reserved") {
      await this.turns.commit(plan, [prompt, output]);
      await this.settled();
    }
    return plan;
  }

  /** Lets time go on until all is settled; it stands while files are read, which takes as long as it takes. */
  async settled(): Promise<void> {
    const { clock, desk } = this.turns;
    let isOver = false;
    void desk.settled().then(() => (isOver = true));
    while (!isOver) {
      if (clock.pendingTimers > 0) await clock.advance(10);
      await settle();
    }
  }
}
