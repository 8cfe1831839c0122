/** From what was measured to the result, and to tables for people. */
import { medianOf, toFourDigits } from "../figures.ts";
import type { GetRound } from "./get.ts";
import type { PutRound } from "./put.ts";
import type { RuleTimes } from "./rules.ts";
import type { TurnsReport } from "./turns.ts";

export interface KvResult {
  readonly suite: "kv";
  /** 10^9 bytes per second through the bytes API, from the page cache. */
  readonly get_gbps: number;
  readonly get_ratio_nginx: number | null;
  /** Of the slower of `dd` and a server that writes nothing. */
  readonly put_ratio_dd: number;
  readonly lookup_p99_ms: number;
  readonly plan_p50_ms: number;
  readonly plan_p99_ms: number;
  /** Of the process that looks up, plans and sweeps. */
  readonly loop_delay_p99_ms: number;
  readonly catalog_bytes_per_segment: number;
  /** Of the same process, with what of the catalog it has mapped. */
  readonly rss_mb: number;
}

export interface Measured {
  readonly gets: readonly GetRound[];
  readonly puts: readonly PutRound[];
  readonly turns: TurnsReport;
}

export function summarise({ gets, puts, turns }: Measured): KvResult {
  const median = (values: readonly number[]) => toFourDigits(medianOf(values));
  const ratios = gets.flatMap(({ ours, nginx }) => (nginx === undefined ? [] : [ours / nginx]));
  return {
    suite: "kv",
    get_gbps: median(gets.map(({ ours }) => ours / 1e9)),
    get_ratio_nginx: ratios.length === 0 ? null : median(ratios),
    put_ratio_dd: median(puts.map(({ ours, dd, discarding }) => ours / Math.min(dd, discarding))),
    lookup_p99_ms: toFourDigits(turns.lookupP99Ms),
    plan_p50_ms: toFourDigits(turns.planP50Ms),
    plan_p99_ms: toFourDigits(turns.planP99Ms),
    loop_delay_p99_ms: toFourDigits(turns.loopDelayP99Ms),
    catalog_bytes_per_segment: Math.round(turns.catalogBytesPerSegment),
    rss_mb: Math.round(turns.rssMb),
  };
}

/** One line for each round, in 10^9 bytes per second. */
export function getTable(rounds: readonly GetRound[]): string {
  return rounds.map(({ ours, nginx }) => row({ ours, nginx })).join("\n");
}

export function putTable(rounds: readonly PutRound[]): string {
  return rounds.map(({ ours, dd, discarding }) => row({ ours, dd, discarding })).join("\n");
}

function row(rates: Readonly<Record<string, number | undefined>>): string {
  const columns = Object.entries(rates).map(([way, rate]) => {
    return `${way} ${rate === undefined ? "-" : (rate / 1e9).toFixed(3)} GB/s`;
  });
  return columns.join("  ");
}

export function turnsTable(turns: TurnsReport): string {
  const rows = Object.entries(turns) as [string, number][];
  return rows.map(([name, value]) => `${name.padEnd(24)}${toFourDigits(value)}`).join("\n");
}

/** In ms. */
export function rulesTable(times: RuleTimes): string {
  const rows = Object.entries(times).map(([rule, { p50Ms, p99Ms, maxMs }]) => {
    const columns = [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2).padStart(7));
    return `${rule.padEnd(9)}${columns.join("")}`;
  });
  return ["rule         p50    p99    max", ...rows].join("\n");
}
