/** Where the time goes that Moorline adds to a turn, by its own metrics, and by what they leave over. */
import type { Moorline } from "../../demo/stack/moorline.ts";
import { medianOf, percentileOf } from "../figures.ts";

/** Of one turn, in ms. */
export type Parts = Readonly<Record<(typeof PARTS)[number], number>>;

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
  /** By how much the turn in between took longer through Moorline. */
  readonly addedMs: number;
}

/**
 * `carry` is what Moorline does not see: both bodies between client, Envoy, Moorline and engine, of which the engine's is the larger.
 */
export function partsOf({ before, after, addedMs }: Spent): Parts {
  const spentMs = (series: string) =>
    1_000 * ((after.get(series) ?? 0) - (before.get(series) ?? 0));
  const part = (name: string) => spentMs(`kv_turn_part_seconds ${name}`);
  const io = (name: string) => spentMs(`kv_io_duration_seconds ${name}`);
  const commit = spentMs("kv_catalog_change_duration_seconds reserve");
  const file = io("extend") + io("reserve");
  const held = part("read") + part("tokens") + part("plan") + part("inject");
  return {
    "read body": part("read"),
    tokens: part("tokens"),
    "look up": part("plan") - commit - file,
    commit,
    file,
    inject: part("inject"),
    carry: addedMs - held,
  };
}

export function partsTable(turns: readonly Parts[]): string {
  const rows = PARTS.map((part) => {
    const ms = turns.map((turn) => turn[part]);
    const columns = [percentileOf(ms, 0.1), medianOf(ms)].map((each) =>
      each.toFixed(2).padStart(8),
    );
    return [part.padEnd(10), ...columns].join("");
  });
  return ["100 KB, ms     p10     p50", ...rows].join("\n");
}
