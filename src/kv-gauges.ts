/** What the catalog holds by location, for metrics: all of one scrape from one look at it. */
import type { MaybePromise } from "./affinity/binding-store.ts";
import type { KvGaugeSources, KvRow } from "./admin/kv-metrics.ts";
import type { Catalog } from "./kv/catalog.ts";
import type { Location } from "./kv/location.ts";
import type { CatalogTotals } from "./kv/space.ts";

type CatalogGauge =
  | "kv_location_bytes"
  | "kv_segments"
  | "kv_segment_bytes"
  | "kv_replicas"
  | "kv_replica_bytes";

export function catalogGauges(
  catalog: Pick<Catalog, "totals">,
  locations: ReadonlyMap<string, Location>,
): Pick<KvGaugeSources, CatalogGauge> {
  const totals = oncePerScrape(() => catalog.totals());
  return {
    kv_location_bytes: async () => locationRows(await totals(), locations),
    kv_segments: async () => segmentRows(await totals(), locations, "segments"),
    kv_segment_bytes: async () => segmentRows(await totals(), locations, "bytes"),
    kv_replicas: async () => replicaRows(await totals(), locations, "replicas"),
    kv_replica_bytes: async () => replicaRows(await totals(), locations, "replicaBytes"),
  };
}

/** A scrape asks all gauges before any of them answers: whoever asks until then gets the same answer. */
function oncePerScrape<T>(read: () => MaybePromise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  const ask = (): MaybePromise<T> => {
    answer = undefined;
    return read();
  };
  return () => (answer ??= Promise.resolve().then(ask));
}

function replicaRows(
  totals: CatalogTotals,
  locations: ReadonlyMap<string, Location>,
  figure: "replicas" | "replicaBytes",
): readonly KvRow[] {
  return totals.locations.map((usage) => {
    const tier = locations.get(usage.location)?.profile.tier ?? "unknown";
    return [usage[figure], usage.location, tier];
  });
}

function locationRows(
  totals: CatalogTotals,
  locations: ReadonlyMap<string, Location>,
): readonly KvRow[] {
  return totals.locations.flatMap((usage): KvRow[] => {
    const { location } = usage;
    const tier = locations.get(location)?.profile.tier ?? "unknown";
    return [
      [usage.bookedBytes, location, tier, "booked"],
      [usage.unwrittenBytes, location, tier, "reserved"],
      [usage.referencedBytes, location, tier, "durable"],
      [usage.idleBytes, location, tier, "quarantined"],
    ];
  });
}

function segmentRows(
  totals: CatalogTotals,
  locations: ReadonlyMap<string, Location>,
  what: "segments" | "bytes",
): readonly KvRow[] {
  return totals.segments.map((count) => {
    const tier = locations.get(count.location)?.profile.tier ?? "unknown";
    return [count[what], count.location, tier, count.retentionClass, count.state];
  });
}
