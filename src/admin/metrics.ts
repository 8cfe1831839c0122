/**
 * What the program counts. Parts report through small methods, which compose.ts hands to their observers; the methods of the hot
 * path allocate nothing. Gauges are read from their owners when somebody scrapes.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import type { ServedKind } from "../affinity/decision.ts";
import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import type { EndpointState } from "../endpoints/endpoint.ts";
import { refusalStatuses } from "../extproc/refusal.ts";
import type { BodyObstacle } from "../extproc/request-reader.ts";
import { DurationHistogram } from "./duration-histogram.ts";
import { METRIC_PREFIX, metricCatalog } from "./metric-catalog.ts";
import type { MetricName } from "./metric-catalog.ts";
import type { MetricsPage } from "./ports.ts";
import { Tally } from "./tally.ts";

export type DecisionKind = ServedKind | "refused";
export type ReloadResult = "ok" | "failed";
/** What operators write and Moorline reads again while running. */
export type ReloadedFile = "config" | "endpoints";

/** Why a session left its endpoint. */
export type MoveCause = "endpoint_down" | "endpoint_removed" | "connect_failed";

export interface MetricsOptions {
  readonly version: string;
  /** The configured pools: the only values of the label `pool`. */
  readonly pools: readonly string[];
  /** Where a session id may be passed over: the values of the label `source`. */
  readonly skippableSources: readonly string[];
  readonly bufferedBytesLimit: number;
}

/** Values that others own, read at each scrape. */
export interface GaugeSources {
  pools(): readonly PoolSnapshot[];
  sessions(pool: string): number;
  bufferedBytes(): number;
}

/** A value and those of the metric's labels, in the catalog's order. */
type Row = readonly [value: number, ...labels: string[]];
type ScrapedName = Exclude<MetricName, "decision_duration_seconds">;

const KINDS: readonly DecisionKind[] = [
  "bound",
  "placed",
  "moved",
  "spilled",
  "weighed",
  "refused",
];
const STATES: readonly EndpointState[] = ["ready", "draining", "down"];
const RESULTS: readonly ReloadResult[] = ["ok", "failed"];
const MOVE_CAUSES: readonly MoveCause[] = ["endpoint_down", "endpoint_removed", "connect_failed"];

/** `exchange_limit`: too many exchanges are open for an answer. */
const REFUSALS = [...Object.keys(refusalStatuses), "exchange_limit"];
const BODY_OBSTACLES: Readonly<Record<BodyObstacle, true>> = {
  body_too_large: true,
  body_encoded: true,
  body_invalid: true,
  body_budget_full: true,
};
const RELOADED: readonly ReloadedFile[] = ["config", "endpoints"];

/** 10 us to 250 ms: a decision over the memory store takes tens of microseconds, over a shared one milliseconds. */
const DECISION_BOUNDS_MS = [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250,
] as const;

/** Joins the labels of counters that are off the hot path. */
const SEPARATOR = "\0";

export class Metrics {
  readonly #options: MetricsOptions;
  /** Where other parts of the program register metrics of their own, which the page then shows. */
  readonly registry = new Registry();
  readonly #decisions: ReadonlyMap<string, Tally>;
  readonly #decisionDuration = new DurationHistogram(DECISION_BOUNDS_MS);
  readonly #refused = new Tally(REFUSALS);
  readonly #keys = new Tally(["headers", "body", "minted"]);
  readonly #skippedKeys: Tally;
  readonly #refusedBodies = new Tally(Object.keys(BODY_OBSTACLES));
  readonly #evictions = new Tally(["capacity", "expired", "released"]);
  readonly #moves = new Tally(MOVE_CAUSES);
  readonly #healthTransitions = new Tally([], 4096);
  readonly #reloads = new Tally(
    RELOADED.flatMap((what) => RESULTS.map((result) => [what, result].join(SEPARATOR))),
  );
  readonly #edsWrites = new Tally(RESULTS);
  readonly #tlsReloads = new Tally(RESULTS);
  #exchanges = 0;
  #openExchanges = 0;
  #exchangeFailures = 0;
  #servedElsewhere = 0;
  #storeFailures = 0;
  #sources: GaugeSources | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#decisions = new Map(options.pools.map((pool) => [pool, new Tally(KINDS)]));
    this.#skippedKeys = new Tally(options.skippableSources);
    this.#register();
    collectDefaultMetrics({ register: this.registry });
  }

  /** From now on the gauges are there. Apart from the constructor, because their owners report to this object. */
  watch(sources: GaugeSources): void {
    this.#sources = sources;
  }

  decided(kind: DecisionKind, pool: string): void {
    this.#decisions.get(pool)?.add(kind);
  }

  observeDecision(elapsedMs: number): void {
    this.#decisionDuration.observe(elapsedMs);
  }

  refused(reason: string): void {
    this.#refused.add(reason);
  }

  exchangeOpened(): void {
    this.#exchanges++;
    this.#openExchanges++;
  }

  exchangeClosed(): void {
    this.#openExchanges--;
  }

  exchangeFailed(): void {
    this.#exchangeFailures++;
  }

  /** `source` is a kind of source, or `minted`. */
  sessionKey(source: string): void {
    this.#keys.add(source);
  }

  sessionKeySkipped(source: string): void {
    this.#skippedKeys.add(source);
  }

  bodyRefused(reason: string): void {
    this.#refusedBodies.add(reason);
  }

  servedElsewhere(): void {
    this.#servedElsewhere++;
  }

  evicted(cause: string): void {
    this.#evictions.add(cause);
  }

  moved(cause: MoveCause): void {
    this.#moves.add(cause);
  }

  storeFailed(): void {
    this.#storeFailures++;
  }

  healthChanged(change: { pool: string; to: EndpointState; cause: string }): void {
    this.#healthTransitions.add([change.pool, change.to, change.cause].join(SEPARATOR));
  }

  reloaded(what: ReloadedFile, result: ReloadResult): void {
    this.#reloads.add([what, result].join(SEPARATOR));
  }

  edsWritten(result: ReloadResult): void {
    this.#edsWrites.add(result);
  }

  tlsReloaded(result: ReloadResult): void {
    this.#tlsReloads.add(result);
  }

  async page(): Promise<MetricsPage> {
    const name = `${METRIC_PREFIX}decision_duration_seconds`;
    const histogram = this.#decisionDuration.exposition(
      name,
      metricCatalog.decision_duration_seconds.help,
    );
    const text = `${await this.registry.metrics()}\n${histogram}`;
    return { contentType: this.registry.contentType, text };
  }

  #register(): void {
    const rows: Readonly<Record<ScrapedName, () => Iterable<Row>>> = {
      decisions_total: () => this.#decisionRows(),
      refused_total: () => rowsOf(this.#refused),
      exchanges_total: () => [[this.#exchanges]],
      open_exchanges: () => [[this.#openExchanges]],
      exchange_failures_total: () => [[this.#exchangeFailures]],
      session_key_total: () => rowsOf(this.#keys),
      session_key_skipped_total: () => rowsOf(this.#skippedKeys),
      buffered_bytes: () => [[this.#sources?.bufferedBytes() ?? 0]],
      buffered_bytes_limit: () => [[this.#options.bufferedBytesLimit]],
      body_refused_total: () => rowsOf(this.#refusedBodies),
      sessions: () => this.#poolRows((pool) => this.#sources?.sessions(pool.name) ?? 0),
      evictions_total: () => rowsOf(this.#evictions),
      moves_total: () => rowsOf(this.#moves),
      served_elsewhere_total: () => [[this.#servedElsewhere]],
      store_failures_total: () => [[this.#storeFailures]],
      endpoints: () => this.#endpointRows(),
      ring_generation: () => this.#poolRows((pool) => pool.generation),
      health_transitions_total: () => rowsOf(this.#healthTransitions),
      reloads_total: () => rowsOf(this.#reloads),
      eds_writes_total: () => rowsOf(this.#edsWrites),
      tls_reloads_total: () => rowsOf(this.#tlsReloads),
      build_info: () => [[1, this.#options.version]],
    };
    for (const [name, read] of Object.entries(rows)) {
      registerScraped(this.registry, name as ScrapedName, read);
    }
  }

  *#decisionRows(): Generator<Row> {
    for (const [pool, tally] of this.#decisions) {
      for (const [kind, count] of tally.entries()) yield [count, pool, kind];
    }
  }

  *#poolRows(read: (pool: PoolSnapshot) => number): Generator<Row> {
    for (const pool of this.#sources?.pools() ?? []) yield [read(pool), pool.name];
  }

  *#endpointRows(): Generator<Row> {
    for (const pool of this.#sources?.pools() ?? []) {
      for (const state of STATES) {
        const listed = [...pool.byId.values()];
        const count = listed.filter((endpoint) => endpoint.state === state).length;
        yield [count, pool.name, state];
      }
    }
  }
}

function* rowsOf(tally: Tally): Generator<Row> {
  for (const [labels, count] of tally.entries()) yield [count, ...labels.split(SEPARATOR)];
}

/** A metric of prom-client that takes its values from `read` at each scrape. */
function registerScraped(registry: Registry, name: ScrapedName, read: () => Iterable<Row>): void {
  const { type, labels, help } = metricCatalog[name];
  const labelNames = [...labels];
  const toLabels = (values: readonly string[]) =>
    Object.fromEntries(labelNames.map((label, index) => [label, values[index] ?? ""]));
  const options = { name: METRIC_PREFIX + name, help, labelNames, registers: [] };
  registry.registerMetric(
    type === "counter"
      ? new Counter({
          ...options,
          collect() {
            this.reset();
            for (const [value, ...values] of read()) this.inc(toLabels(values), value);
          },
        })
      : new Gauge({
          ...options,
          collect() {
            this.reset();
            for (const [value, ...values] of read()) this.set(toLabels(values), value);
          },
        }),
  );
}
