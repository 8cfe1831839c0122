/** The metrics of the session KV service, as `metric-catalog.ts` has those of routing. docs/metrics.md is compared with it. */
import { counter, gauge, histogram, type MetricDefinition } from "./metric-catalog.ts";

export const kvMetricCatalog = {
  kv_plans_total: counter("Turns planned, by why no more of the prompt was listed.", "limit"),
  kv_prompt_tokens_total: counter("Tokens of the prompts of planned turns."),
  kv_found_tokens_total: counter("Tokens of them that engines were given to load."),
  kv_unlisted_tokens_total: counter("Tokens of them that were not, by reason.", "limit"),
  kv_reservations_total: counter("Reservations asked for, by result.", "result"),
  kv_commits_total: counter("Turns reported, by result.", "result"),
  kv_aborts_total: counter("Turns aborted, by reason.", "reason"),
  kv_segments_settled_total: counter("Reserved segments, by what became of them.", "result"),
  kv_quota_refusals_total: counter("Refusals for a tenant's quota.", "quota"),
  kv_verifications_total: counter("Reported segments verified, by result.", "result"),
  kv_rechecks_total: counter("Durable segments read again before a use, by result.", "result"),
  kv_scrubbed_total: counter("Durable segments read again by the scrubber, by result.", "result"),
  kv_verified_bytes_total: counter("Bytes of segments that were verified or read again.", "by"),
  kv_scrub_rounds_total: counter("Rounds of the scrubber, by result.", "result"),
  kv_swept_total: counter("What time alone ended, by kind.", "what"),
  kv_evicted_total: counter("What was evicted for want of space.", "what", "cause"),
  kv_compacted_total: counter("Segments copied out of mostly dead files, by result.", "result"),
  kv_unlinks_total: counter("Files removed, by result.", "result"),
  kv_scrubs_put_off_total: counter("Segments that could not be scrubbed out of turn."),
  kv_upkeep_failures_total: counter("Parts of the upkeep that failed.", "part"),
  kv_upkeep_duration_seconds: histogram("Time that passes of the upkeep took."),
  kv_io_duration_seconds: histogram("Time that operations of locations took.", "operation"),
  kv_io_faults_total: counter("Operations of locations that failed.", "operation", "code"),
  kv_bytes_requests_total: counter("Requests of the bytes API, by result.", "method", "result"),
  kv_bytes_served_total: counter("Bytes of segments served over HTTP."),
  kv_bytes_received_total: counter("Bytes of segments taken over HTTP."),
  kv_bytes_in_flight: gauge("Bytes of segments being served or taken now."),
  kv_location_bytes: gauge("Bytes by location, tier and state.", "location", "tier", "state"),
  kv_segments: gauge("Segments.", "location", "tier", "class", "state"),
  kv_segment_bytes: gauge("Their bytes.", "location", "tier", "class", "state"),
  kv_orphan_bytes: gauge("Bytes of files that the catalog does not know.", "location"),
  kv_verifying: gauge("Segments that are being verified now."),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type KvMetricName = keyof typeof kvMetricCatalog;
