/**
 * What the session KV service counts. Its events are a few for each turn, so prom-client's own metrics are used as they are.
 * Label values come from code or configuration, never from a client.
 */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { MaybePromise } from "../affinity/binding-store.ts";
import { type KvMetricName, kvMetricCatalog } from "./kv-metric-catalog.ts";
import { METRIC_PREFIX } from "./metric-catalog.ts";

type NameOf<T extends string> = {
  [Name in KvMetricName]: (typeof kvMetricCatalog)[Name]["type"] extends T ? Name : never;
}[KvMetricName];
export type KvCounter = NameOf<"counter">;
export type KvGauge = NameOf<"gauge">;
export type KvHistogram = NameOf<"histogram">;

/** A value and those of the metric's labels, in the catalog's order. */
export type KvRow = readonly [value: number, ...labels: string[]];
/** Asked at each scrape; they may be asked again before they have answered. */
export type KvGaugeSources = Readonly<Record<KvGauge, () => MaybePromise<Iterable<KvRow>>>>;

/** 0.1 ms to 10 s: a stat in the page cache, and a segment of a gigabyte on a slow disk. */
const IO_BOUNDS_SECONDS = [
  0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class KvMetrics {
  readonly #registry: Registry;
  readonly #counters = new Map<KvMetricName, Counter>();
  readonly #histograms = new Map<KvMetricName, Histogram>();

  constructor(registry: Registry) {
    this.#registry = registry;
    for (const [key, definition] of Object.entries(kvMetricCatalog)) {
      const name = key as KvMetricName;
      const options = optionsOf(name);
      if (definition.type === "counter") this.#counters.set(name, new Counter(options));
      if (definition.type !== "histogram") continue;
      this.#histograms.set(name, new Histogram({ ...options, buckets: IO_BOUNDS_SECONDS }));
    }
    for (const metric of [...this.#counters.values(), ...this.#histograms.values()]) {
      registry.registerMetric(metric);
    }
  }

  /** 0 shows the labels from the start, so that a rate over the first event is right. */
  add(name: KvCounter, value: number, ...labels: readonly string[]): void {
    this.#counters
      .get(name)
      ?.labels(...labels)
      .inc(value);
  }

  observeMs(name: KvHistogram, elapsedMs: number, ...labels: readonly string[]): void {
    this.observe(name, elapsedMs / 1000, ...labels);
  }

  observe(name: KvHistogram, value: number, ...labels: readonly string[]): void {
    this.#histograms
      .get(name)
      ?.labels(...labels)
      .observe(value);
  }

  /** From now on the gauges are there. Once. */
  watch(sources: KvGaugeSources): void {
    for (const [key, read] of Object.entries(sources)) {
      const options = optionsOf(key as KvMetricName);
      const metric = new Gauge({
        ...options,
        async collect() {
          const rows = await read();
          this.reset();
          for (const [value, ...labels] of rows) this.labels(...labels).set(value);
        },
      });
      this.#registry.registerMetric(metric);
    }
  }
}

function optionsOf(name: KvMetricName) {
  const { help, labels } = kvMetricCatalog[name];
  return { name: METRIC_PREFIX + name, help, labelNames: [...labels], registers: [] };
}
