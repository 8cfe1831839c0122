import type { Segment } from "../kv/records.ts";
import { crcText } from "./bytes/representation.ts";
import type { KvApiPorts } from "./ports.ts";

/** How often others read and list a shared segment is not for every reader of it, nor how many copies that made us keep. */
export function viewSegment(
  segment: Segment,
  tenant: string,
  { location }: Pick<KvApiPorts, "location">,
) {
  const { file, crc, state } = segment;
  const isOwn = segment.tenant === tenant;
  return {
    id: segment.id,
    state,
    snapshot: segment.snapshot !== undefined,
    token_start: segment.tokenStart,
    token_length: segment.tokenLength,
    location: file.location,
    kv_uri: location(file.location)?.uri(file.name) ?? null,
    kv_start: segment.kvStart,
    replicas: isOwn
      ? segment.replicas.map((replica) => ({
          location: replica.location,
          kv_uri: location(replica.location)?.uri(replica.name) ?? null,
          kv_start: replica.kvStart,
        }))
      : null,
    bytes: segment.bytes,
    crc32: state === "durable" ? crcText(crc) : null,
    usage: isOwn
      ? {
          references: segment.refs,
          times_read: segment.timesRead,
          last_read_at_ms: segment.lastReadAtMs,
        }
      : null,
  };
}
