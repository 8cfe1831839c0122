/** What the KV API needs of the program. */
import type { Clock } from "../clock.ts";
import type { Catalog } from "../kv/catalog.ts";
import type { Quota, Reader } from "../kv/holders.ts";
import type { Location } from "../kv/location.ts";
import type { LastTurns } from "../kv/prediction/last-turns.ts";
import type { Predictions } from "../kv/prediction/pool-prediction.ts";
import type { Retention } from "../kv/records.ts";
import type { SlotOnlooker } from "../kv/slots/slot-onlooker.ts";
import type { Prefetcher } from "../kv/turns/prefetcher.ts";
import type { SessionDesk } from "../kv/turns/session-desk.ts";
import type { TurnDesk } from "../kv/turns/turn-desk.ts";
import type { BytesPorts } from "./bytes/bytes-ports.ts";

/** Of the configuration. */
export interface RetentionClasses {
  lookup(name: string): Retention | undefined;
  /** What a session gets that asks for none. */
  defaultOf(tenant: string): Retention;
}

/** Of the configuration. */
export interface Quotas {
  /** Undefined where there is no such tenant. */
  quota(tenant: string): Quota | undefined;
}

/** Of the configuration. */
export interface SlotLooks {
  /** Undefined where the engines of the model keep no KV in slots. */
  ofModel(model: string): Pick<SlotOnlooker, "explain"> | undefined;
}

export interface KvApiPorts {
  readonly sessions: Pick<SessionDesk, "create" | "fork" | "attach" | "pin" | "createPrefix">;
  readonly turns: Pick<TurnDesk, "plan" | "commit" | "abort" | "end" | "explain">;
  readonly slots: SlotLooks;
  readonly prefetcher: Pick<Prefetcher, "prefetch">;
  /** Monotonic. */
  readonly clock: Clock;
  readonly catalog: Pick<
    Catalog,
    | "amend"
    | "removePrefix"
    | "session"
    | "sessions"
    | "segments"
    | "segment"
    | "visibleSegment"
    | "prefix"
    | "prefixes"
    | "ownPrefixes"
    | "turn"
    | "tenantUsage"
  >;
  /** Undefined for one that is not configured. */
  readonly location: (id: string) => Pick<Location, "uri"> | undefined;
  readonly predictions: Pick<Predictions, "ofModel">;
  readonly lastTurns: Pick<LastTurns, "lookup">;
  readonly retention: RetentionClasses;
  readonly quotas: Quotas;
  /** Of the configuration. */
  readonly reader: (tenant: string) => Reader;
  /** Of the routes of bytes. */
  readonly bytes: BytesPorts;
  /** Wall clock, as in the catalog. */
  readonly nowMs: () => number;
  /** A UUIDv4. */
  readonly newSessionId: () => string;
}
