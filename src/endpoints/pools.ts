/**
 * CONTRACT ONLY, the implementation follows: the pools of this process, by name and by model.
 */
import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import type { EndpointId } from "./endpoint.ts";

/** Read side, for the data path. Never waits, never throws. */
export interface PoolDirectory {
  /** More than one pool: then a request needs a model, and the reply names the pool for Envoy's route. */
  readonly hasSeveral: boolean;
  /** The pool of a model: the one that lists it, else the default pool (the one with no models), else undefined. */
  forModel(model: string | undefined): PoolSnapshot | undefined;
  get(name: string): PoolSnapshot | undefined;
  all(): readonly PoolSnapshot[];
}

/** What the data path saw of an endpoint, for passive health. Never waits, never throws. */
export interface PassiveSigns {
  /** Envoy could not connect: counts like a failed active check. */
  connectFailed(pool: string, endpoint: EndpointId): void;
  /** The endpoint answered 5xx: brings its next active check forward, and no more. */
  serverError(pool: string, endpoint: EndpointId): void;
}
