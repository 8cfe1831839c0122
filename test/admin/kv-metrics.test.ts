import { Registry } from "prom-client";
import { beforeEach, describe, expect, it } from "vitest";
import { kvMetricCatalog } from "../../src/admin/kv-metric-catalog.ts";
import { KvMetrics } from "../../src/admin/kv-metrics.ts";

let registry: Registry;
let metrics: KvMetrics;

beforeEach(() => {
  registry = new Registry();
  metrics = new KvMetrics(registry);
});

async function lines(start: string): Promise<string[]> {
  const page = await registry.metrics();
  return page.split("\n").filter((line) => line.startsWith(`moorline_${start}`));
}

function watch(): void {
  metrics.watch({
    kv_bytes_in_flight: () => [[7]],
    kv_verifying: async () => [[2]],
    kv_engines: () => [],
    kv_slot_residents: () => [[3, "default"]],
    kv_slot_waiting: () => [],
    kv_readahead_queue: () => [[2]],
    kv_readahead_queue_bytes: () => [[7]],
    kv_orphan_bytes: () => [],
    kv_segments: () => [[1, "a", "disk", "standard", "durable"]],
    kv_segment_bytes: () => [],
    kv_replicas: () => [],
    kv_replica_bytes: () => [],
    kv_location_bytes: () => [
      [1, "a", "disk", "booked"],
      [2, "a", "disk", "durable"],
    ],
  });
}

describe("metrics of the KV half", () => {
  it("are all on the page, each with its type, and no other", async () => {
    watch();
    const page = await registry.metrics();
    const types = [...page.matchAll(/^# TYPE moorline_(\w+) (\w+)$/gm)].map(([, name, type]) => [
      name,
      type,
    ]);
    const catalog = Object.entries(kvMetricCatalog).map(([name, { type }]) => [name, type]);
    expect(Object.fromEntries(types)).toEqual(Object.fromEntries(catalog));
  });

  it("count by labels, in the catalog's order, from 0 where that was asked for", async () => {
    metrics.add("kv_io_faults_total", 2, "read", "io");
    metrics.add("kv_io_faults_total", 3, "read", "io");
    metrics.add("kv_io_faults_total", 0, "stat", "io");
    expect(await lines("kv_io_faults_total")).toEqual([
      'moorline_kv_io_faults_total{operation="read",code="io"} 5',
      'moorline_kv_io_faults_total{operation="stat",code="io"} 0',
    ]);
  });

  it("take times in ms, and show seconds", async () => {
    metrics.observeMs("kv_io_duration_seconds", 1500, "sync");
    expect(await lines("kv_io_duration_seconds_sum")).toEqual([
      'moorline_kv_io_duration_seconds_sum{operation="sync"} 1.5',
    ]);
  });

  it("show gauges as their owners are at the scrape, without those that are gone", async () => {
    let rows: [number, string][] = [[1, "a"]];
    metrics.watch({
      kv_bytes_in_flight: () => [],
      kv_verifying: () => [],
      kv_engines: () => [],
      kv_slot_residents: () => [],
      kv_slot_waiting: () => [],
      kv_readahead_queue: () => [[2]],
      kv_readahead_queue_bytes: () => [[7]],
      kv_location_bytes: () => [],
      kv_segments: () => [],
      kv_segment_bytes: () => [],
      kv_replicas: () => [],
      kv_replica_bytes: () => [],
      kv_orphan_bytes: () => rows,
    });
    expect(await lines("kv_orphan_bytes")).toEqual(['moorline_kv_orphan_bytes{location="a"} 1']);
    rows = [[2, "b"]];
    expect(await lines("kv_orphan_bytes")).toEqual(['moorline_kv_orphan_bytes{location="b"} 2']);
  });
});
