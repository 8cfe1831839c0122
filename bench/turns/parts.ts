/** Where the time goes that Moorline adds to a turn, by its own metrics, and by what they leave over. */
import type { Moorline } from "../../demo/stack/moorline.ts";

/** Means over the turns, in ms. */
export type PartsReport = Readonly<Record<(typeof PARTS)[number], number>>;

/** In the order in which a turn meets them. `look up`: what a plan takes besides its commit and its file. */
const PARTS = ["read body", "tokens", "look up", "commit", "file", "inject", "carry"] as const;

/** Seconds so far, by series. */
export type Times = ReadonlyMap<string, number>;

export async function readTimes({ adminUrl }: Pick<Moorline, "adminUrl">): Promise<Times> {
  const page = await (await fetch(`${adminUrl}/metrics`)).text();
  const rows = page.matchAll(/^moorline_(\w+)_sum\{(?:pool="default",)?\w+="(\w+)"\} (.*)$/gm);
  return new Map(Array.from(rows, ([, name, label, sum]) => [`${name} ${label}`, Number(sum)]));
}

export interface Spent {
  readonly before: Times;
  readonly after: Times;
}

/**
 * `addedMs`: of each turn in between, by how much it took longer through Moorline. `carry` is what of that Moorline does not see: both
 * bodies between client, Envoy, Moorline and engine, of which the engine's is the larger.
 */
export function partsOf(spent: readonly Spent[], addedMs: readonly number[]): PartsReport {
  const mean = (sum: number) => sum / addedMs.length;
  const meanMs = (series: string) =>
    mean(
      spent.reduce((sum, { before, after }) => {
        return sum + 1_000 * ((after.get(series) ?? 0) - (before.get(series) ?? 0));
      }, 0),
    );
  const part = (name: string) => meanMs(`kv_turn_part_seconds ${name}`);
  const io = (name: string) => meanMs(`kv_io_duration_seconds ${name}`);
  const commit = meanMs("kv_catalog_change_duration_seconds reserve");
  const file = io("extend") + io("reserve");
  const held = part("read") + part("tokens") + part("plan") + part("inject");
  return {
    "read body": part("read"),
    tokens: part("tokens"),
    "look up": part("plan") - commit - file,
    commit,
    file,
    inject: part("inject"),
    carry: mean(addedMs.reduce((sum, each) => sum + each, 0)) - held,
  };
}

export function partsTable(report: PartsReport): string {
  return PARTS.map((part) => `${part.padEnd(10)} ${report[part].toFixed(2).padStart(7)} ms`).join(
    "\n",
  );
}
