/** Moorline's metrics over several of its processes: a new one counts from 0. */
export class Counters {
  readonly #kept = new Map<string, number>();

  /** Every series that the process shows now. */
  async page(adminUrl: string): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`${adminUrl}/metrics`)).text();
    const rows = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      rows.map((row) => {
        const end = row.lastIndexOf(" ");
        return [row.slice(0, end), Number(row.slice(end + 1))];
      }),
    );
  }

  /** Before the process ends. */
  async keep(adminUrl: string): Promise<void> {
    for (const [series, value] of await this.page(adminUrl)) {
      this.#kept.set(series, (this.#kept.get(series) ?? 0) + value);
    }
  }

  /** Of all series of that name, without `moorline_`, that have these labels. */
  total(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const rows = [...this.#kept].filter(
      ([series]) =>
        series.split("{")[0] === `moorline_${name}` &&
        wanted.every((pair) => series.includes(pair)),
    );
    return rows.reduce((sum, [, value]) => sum + value, 0);
  }

  /** By the one label of the metric. */
  byLabel(name: string): Readonly<Record<string, number>> {
    const found: Record<string, number> = {};
    for (const [series, value] of this.#kept) {
      const label = /="([^"]*)"\}$/.exec(series)?.[1];
      if (series.split("{")[0] !== `moorline_${name}` || label === undefined || value === 0)
        continue;
      found[label] = (found[label] ?? 0) + value;
    }
    return found;
  }
}
