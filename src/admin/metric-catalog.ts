/**
 * Every metric of ours: its name without the prefix, its type, its labels and its meaning. docs/metrics.md is compared with it.
 */
export const METRIC_PREFIX = "moorline_";

export interface MetricDefinition<T = "counter" | "gauge" | "histogram"> {
  readonly type: T;
  readonly labels: readonly string[];
  readonly help: string;
}

export function counter(help: string, ...labels: readonly string[]): MetricDefinition<"counter"> {
  return { type: "counter", labels, help };
}

export function gauge(help: string, ...labels: readonly string[]): MetricDefinition<"gauge"> {
  return { type: "gauge", labels, help };
}

export function histogram(
  help: string,
  ...labels: readonly string[]
): MetricDefinition<"histogram"> {
  return { type: "histogram", labels, help };
}

export const metricCatalog = {
  decisions_total: counter("Requests decided, by what happened to them.", "pool", "kind"),
  refused_total: counter("Requests answered by Moorline itself with an error.", "reason"),
  decision_duration_seconds: histogram("Time that the decision for one request took."),
  exchanges_total: counter("Exchanges opened."),
  open_exchanges: gauge("Exchanges open now."),
  exchange_failures_total: counter("Exchanges ended by an error of our own."),
  session_key_total: counter("Sessions named by a request, by where the id was.", "source"),
  session_key_skipped_total: counter("Unusable session ids that were passed over.", "source"),
  buffered_bytes: gauge("Body bytes held now, all exchanges together."),
  buffered_bytes_limit: gauge("Most body bytes held at once (extproc.bufferedBytesLimit)."),
  body_refused_total: counter("Bodies not looked at, by reason.", "reason"),
  sessions: gauge("Bound sessions.", "pool"),
  evictions_total: counter("Bindings that left the table.", "cause"),
  moves_total: counter("Sessions rebound to another endpoint.", "cause"),
  served_elsewhere_total: counter(
    "Requests served by a host that was not offered, or by an offered one out of its turn.",
  ),
  store_failures_total: counter(
    "Calls of the binding store that failed, or lost every try to others.",
  ),
  endpoints: gauge("Endpoints by state.", "pool", "state"),
  ring_generation: gauge("Generation of the published pool snapshot.", "pool"),
  health_transitions_total: counter("Changes of an endpoint's state.", "pool", "to", "cause"),
  reloads_total: counter("Reloads of what operators write.", "what", "result"),
  eds_writes_total: counter("Writes of Envoy's endpoint file.", "result"),
  tls_reloads_total: counter("Reloads of TLS files.", "result"),
  build_info: gauge("Always 1; the labels say what runs.", "version"),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metricCatalog;
