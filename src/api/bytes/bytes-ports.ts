/** What the bytes API needs of the rest of the service. */
import type { Clock, Scheduler } from "../../clock.ts";
import type { Catalog } from "../../kv/catalog.ts";
import type { CopyChoice } from "../../kv/copies.ts";
import type { Reader } from "../../kv/holders.ts";
import type { Digests } from "../../kv/digest.ts";
import type { Location } from "../../kv/location.ts";
import type { GeometryKey } from "../../kv/model/geometry-key.ts";
import type { Segment } from "../../kv/records.ts";
import type { SegmentLayout } from "../../kv/model/layout.ts";
import type { SegmentChecker } from "../../kv/verify/segment-checker.ts";
import type { BytesObserver } from "./bytes-observer.ts";

/** The whole of one answer: what takes longer is cut, and a client goes on from there with a Range. Its read lease holds as long. */
export const READ_LIMIT_MS = 600_000;

export interface BytesLimits {
  /**
   * Memory that all bodies under way may hold; one tenant's no more than they leave free. A body holds up to two chunks of 1 MiB,
   * so less than 4 MiB serves short ones only.
   */
  readonly bytesInFlightLimit: number;
  /** For a peer to take, or to send, one chunk. */
  readonly idleTimeoutMs: number;
  /** How long a signed URL may be good. */
  readonly signedUrlLimitMs: number;
}

export interface BytesPorts {
  readonly catalog: Pick<
    Catalog,
    "segment" | "visibleSegment" | "turn" | "file" | "leaseRead" | "condemn"
  >;
  readonly checker: Pick<SegmentChecker, "look" | "check">;
  /** Which copy of a segment is read. */
  readonly copies: CopyChoice;
  /** So many bytes of the segment, in its copy, are about to be sent. Returns at once and does not throw. */
  readonly read: (segment: Segment, bytes: number) => void;
  /** Of the configuration. */
  readonly reader: (tenant: string) => Reader;
  /** Undefined for one that is not configured. */
  location(id: string): Location | undefined;
  /** How bytes of that geometry lie; undefined if no configured model profile has it. */
  layout(geometry: GeometryKey): SegmentLayout | undefined;
  readonly digests: Digests;
  /** Of signed URLs; secret, and the same after a restart. */
  readonly signingKey: Uint8Array;
  readonly clock: Clock & Scheduler;
  /** Wall clock, for leases and expiry. */
  readonly nowMs: () => number;
  readonly limits: BytesLimits;
  /** Where clients find the listener, for URLs that others will use: without a slash at its end. Null: at its own address. */
  readonly publicUrl: string | null;
  readonly observer: BytesObserver;
}
