import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import type { AppError } from "../errors.ts";
import type { Endpoint, EndpointState } from "./endpoint.ts";

/** Why an endpoint is in another state than before. */
export type StateCause =
  | "listed" // discovery listed it, or changed what it says of it (the drain flag)
  | "delisted" // discovery lists it no more
  | "check" // an active check
  | "connect_failed" // the data path could not connect
  | "time"; // the drain deadline has passed, or a wait (after joining, after a passive sign) is over

export interface StateChange {
  readonly pool: string;
  /** As it is now. */
  readonly endpoint: Endpoint;
  /** `absent`: not listed. */
  readonly from: EndpointState | "absent";
  readonly to: EndpointState | "absent";
  readonly cause: StateCause;
}

/** Hears what happens in the pools, for logs, metrics and Envoy's membership file. Must not throw. */
export interface PoolObserver {
  /** Told after the snapshot that shows it. */
  stateChanged(change: StateChange): void;
  /** As many active checks in a row as take an endpoint down have failed: told once, until one passes. */
  checksFailed(pool: string, endpoint: Endpoint, failure: string): void;
  /** The pool's newest snapshot. */
  published(snapshot: PoolSnapshot): void;
  /** `members` are on the new ring, which the newest snapshot shows. */
  ringChanged(pool: string, members: number): void;
  /** A bug: the pool keeps its former ring. */
  ringFailed(pool: string, error: AppError): void;
}
