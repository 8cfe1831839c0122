/** From the figures of each round to the result, and to a table for people. */
import { medianOf, toFourDigits } from "../figures.ts";
import type { Way } from "./envoy-config.ts";
import type { LoadReport } from "./load.ts";

export interface RoutingResult {
  readonly suite: "routing";
  /** Exchanges per second through Moorline, 16 connections, Envoy with one worker. */
  readonly rps: number;
  readonly rps_ratio_ring_hash: number;
  readonly rps_ratio_grpc_go: number | null;
  /** Over ring_hash, at 500 requests per second. */
  readonly added_p50_ms_at_500: number;
  readonly added_p99_ms_at_500: number;
  /** Of the Moorline process. */
  readonly cpu_us_per_exchange_at_2000: number | null;
  readonly heap_mb_per_100k_bindings: number;
  /** Wrong or missing answers, on all ways together. */
  readonly failures: number;
}

/** Of one way in one round. */
export interface Figures {
  readonly closed: LoadReport;
  /** CPU time of the sidecar per exchange; undefined without a sidecar, or where it cannot be read. */
  readonly cpuUsAtMax: number | undefined;
  readonly at500: LoadReport;
  readonly at2000: LoadReport;
  readonly cpuUsAt2000: number | undefined;
}

export interface Round extends Record<Exclude<Way, "grpc_go">, Figures> {
  readonly grpc_go: Figures | undefined;
}

export function summarise(rounds: readonly Round[], heapMb: number): RoutingResult {
  const median = (of: (round: Round) => number) => toFourDigits(medianOf(rounds.map(of)));
  const hasGrpcGo = rounds.every((round) => round.grpc_go !== undefined);
  const hasCpu = rounds.every((round) => round.moorline.cpuUsAt2000 !== undefined);
  return {
    suite: "routing",
    rps: median(({ moorline }) => moorline.closed.perSecond),
    rps_ratio_ring_hash: median(
      ({ moorline, ring_hash }) => moorline.closed.perSecond / ring_hash.closed.perSecond,
    ),
    rps_ratio_grpc_go: hasGrpcGo
      ? median(
          ({ moorline, grpc_go }) => moorline.closed.perSecond / (grpc_go?.closed.perSecond ?? 0),
        )
      : null,
    added_p50_ms_at_500: median(
      ({ moorline, ring_hash }) => moorline.at500.p50Ms - ring_hash.at500.p50Ms,
    ),
    added_p99_ms_at_500: median(
      ({ moorline, ring_hash }) => moorline.at500.p99Ms - ring_hash.at500.p99Ms,
    ),
    cpu_us_per_exchange_at_2000: hasCpu
      ? median(({ moorline }) => moorline.cpuUsAt2000 ?? 0)
      : null,
    heap_mb_per_100k_bindings: heapMb,
    failures: rounds.reduce((sum, round) => sum + failuresOf(round), 0),
  };
}

function failuresOf(round: Round): number {
  return waysOf(round)
    .flatMap(([, { closed, at500, at2000 }]) => [closed, at500, at2000])
    .reduce((sum, report) => sum + report.failures, 0);
}

function waysOf(round: Round): [string, Figures][] {
  return Object.entries(round).filter(([, figures]) => figures !== undefined);
}

/** Times in ms. */
export function table(round: Round): string {
  const head =
    "way          max /s    p99  cpu us | 500/s p50    p99 | 2000/s p50    p99  cpu us | failures";
  const rows = waysOf(round).map(([way, { closed, cpuUsAtMax, at500, at2000, cpuUsAt2000 }]) =>
    [
      way.padEnd(12),
      closed.perSecond.toFixed(0).padStart(6),
      closed.p99Ms.toFixed(2).padStart(6),
      (cpuUsAtMax?.toFixed(0) ?? "-").padStart(7),
      at500.p50Ms.toFixed(2).padStart(11),
      at500.p99Ms.toFixed(2).padStart(6),
      at2000.p50Ms.toFixed(2).padStart(12),
      at2000.p99Ms.toFixed(2).padStart(6),
      (cpuUsAt2000?.toFixed(0) ?? "-").padStart(7),
      String(closed.failures + at500.failures + at2000.failures).padStart(10),
    ].join(" "),
  );
  return [head, ...rows].join("\n");
}
