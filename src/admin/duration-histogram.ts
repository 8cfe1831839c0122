/**
 * Durations in fixed buckets. prom-client's histogram takes one observation at a time and cannot be given totals, so this
 * writes the Prometheus text format itself (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */
export class DurationHistogram {
  readonly #boundsMs: readonly number[];
  /** Observations per bucket, not cumulative; the last is everything above the highest bound. */
  readonly #counts: Float64Array;
  #sumMs = 0;

  /** Upper bounds, inclusive and rising. */
  constructor(boundsMs: readonly number[]) {
    this.#boundsMs = boundsMs;
    this.#counts = new Float64Array(boundsMs.length + 1);
  }

  /** Allocates nothing. Most durations fall into the first few buckets, so a walk beats a binary search. */
  observe(elapsedMs: number): void {
    const bounds = this.#boundsMs;
    let bucket = 0;
    while (bucket < bounds.length && elapsedMs > (bounds[bucket] ?? 0)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sumMs += elapsedMs;
  }

  /** In seconds, the base unit of Prometheus. */
  exposition(name: string, help: string): string {
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    let count = 0;
    for (const [bucket, own] of this.#counts.entries()) {
      count += own;
      const boundMs = this.#boundsMs[bucket];
      const le = boundMs === undefined ? "+Inf" : String(boundMs / 1000);
      lines.push(`${name}_bucket{le="${le}"} ${count}`);
    }
    lines.push(`${name}_sum ${this.#sumMs / 1000}`, `${name}_count ${count}`, "");
    return lines.join("\n");
  }
}
