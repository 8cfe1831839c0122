/** What an exchange needs of the rest of the product, and what it tells about itself. */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { Decision, Router, RouteRequest } from "../affinity/router.ts";
import type { Clock, Scheduler } from "../clock.ts";
import type { PassiveSigns, PoolDirectory } from "../endpoints/pools.ts";
import type { AppError } from "../errors.ts";
import type { TurnPath } from "../kv/path/turn-path.ts";
import type { BodyBudget } from "./body-budget.ts";
import type { Wanted } from "./message.ts";
import type { RefusalCode } from "./refusal.ts";
import type { RequestFacts, RequestReader } from "./request-reader.ts";

export interface ExchangePorts {
  readonly pools: PoolDirectory;
  readonly router: Pick<Router, "route" | "isChoosing" | "correct">;
  readonly passive: PassiveSigns;
  readonly turns: TurnPath;
  readonly reader: RequestReader;
  readonly wanted: Wanted;
  readonly budget: BodyBudget;
  readonly observer: ExchangeObserver;
  readonly clock: Clock & Scheduler;
  /** A fresh UUIDv4. */
  readonly mintId: () => string;
  /** Header and metadata key that carry the destination. Lower-case. */
  readonly destinationHeader: string;
  /** Whether the destination is the ordered list, or (ORIGINAL_DST) its first address alone. */
  readonly sendsFallbacks: boolean;
  readonly bodyLimitBytes: number;
  /** After a fault of ours: `open` lets the request go on as Envoy is set up, `refuse` answers it with a 503. Not asked for a KV pool. */
  readonly onError: "open" | "refuse";
}

/** Never throws, never waits. */
export interface ExchangeObserver {
  /** One per request that got as far as a pool. */
  decided(decided: Decided): void;
  /** One per request that was answered by Moorline itself; the client's fault or ours. */
  refused(code: RefusalCode): void;
  /** Envoy served a host that was not offered, or not the first offered without having tried that one. */
  servedElsewhere(pool: string, address: string): void;
  /** A request seen in observability mode: nothing decided, nothing answered. */
  observed(): void;
  failed(error: AppError): void;
}

export interface Decided {
  readonly request: RouteRequest;
  readonly decision: Decision;
  readonly source: RequestFacts["source"];
  /** Why the body was not read, where it might have said something. */
  readonly bodyObstacle: RequestFacts["bodyObstacle"];
  /** From the message that made the decision possible to the decision. */
  readonly elapsedMs: number;
}

/** Goes on with a value, at once where it is there. */
export function andThen<T>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<void>,
): MaybePromise<void> {
  return value instanceof Promise ? value.then(next) : next(value);
}
