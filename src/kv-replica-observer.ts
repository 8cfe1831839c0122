/** What is told of replicas that are made and dropped by how often segments are read. */
import type { KvMetrics } from "./admin/kv-metrics.ts";
import type { DropCause, MakeCause } from "./kv/popularity/copy-change.ts";
import type { ReplicaObserver } from "./kv/popularity/replicator.ts";
import type { Logger } from "./log.ts";

const MAKE_CAUSES: Readonly<Record<MakeCause, true>> = { reads: true, minimum: true };
const DROP_CAUSES: Readonly<Record<DropCause, true>> = { cooled: true, idle: true };

export function createReplicaObserver(log: Logger, metrics: KvMetrics): ReplicaObserver {
  for (const cause of Object.keys(MAKE_CAUSES)) {
    metrics.add("kv_replicas_made_total", 0, cause, "copied");
  }
  for (const cause of Object.keys(DROP_CAUSES)) {
    metrics.add("kv_replicas_dropped_total", 0, cause, "dropped");
  }
  return {
    made: ({ segment, location, bytes, cause, result }) => {
      metrics.add("kv_replicas_made_total", 1, cause, result);
      if (result === "copied") metrics.add("kv_replica_bytes_made_total", bytes);
      else if (result !== "present" && result !== "gone" && result !== "cancelled") {
        log.warn("a replica was not made", { segment, location, cause, reason: result });
      }
    },
    dropped: ({ segment, location, cause, result }) => {
      metrics.add("kv_replicas_dropped_total", 1, cause, result);
      if (result !== "unsure") return;
      log.warn("a replica stays, as the other copies are not whole", { segment, location, cause });
    },
  };
}
