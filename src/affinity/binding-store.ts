/**
 * Where bindings live. Owned by the router, implemented in `bindings/`. Every method is one atomic rule: two callers, or two
 * replicas of Moorline over one shared store, never see half of it. Memory answers at once and the router then does not
 * await, so the hot path stays synchronous.
 */
import type { EndpointId } from "../endpoints/endpoint.ts";

export type MaybePromise<T> = T | Promise<T>;

declare const bindingKeyBrand: unique symbol;
/** Pool, tenant and session id, joined by NUL, which none of them can contain. Made by `bindingKey` only. */
export type BindingKey = string & { readonly [bindingKeyBrand]: true };

/** A tenant-less session has the tenant "". */
export function bindingKey(pool: string, tenant: string, sessionId: string): BindingKey {
  return `${pool}\0${tenant}\0${sessionId}` as BindingKey;
}

/** Why a binding points where it points. */
export type BindReason =
  | "placed" // the first rank took the new session
  | "spilled" // the first rank had its share already, so a later one took it
  | "weighed" // another than the ring would have taken serves it at less cost
  | "moved"; // the endpoint before was lost

export interface Binding {
  readonly pool: string;
  readonly endpoint: EndpointId;
  /** 1 when claimed, and one more with each move of this session: the compare-and-set token of `extend` and `move`. */
  readonly generation: number;
  readonly reason: BindReason;
  /** On the store's clock. Sliding: every extend sets it anew. */
  readonly expiresAtMs: number;
}

/** What a session is to be bound to. */
export interface Target {
  readonly pool: string;
  readonly endpoint: EndpointId;
  readonly reason: BindReason;
}

/** How many sessions sit where, as this process knows it. */
export interface LoadView {
  /** All sessions of the pool. */
  total(): number;
  on(endpoint: EndpointId): number;
}

export interface BindingStore {
  /** The live binding, or undefined. Does not count as a use: only `extend` slides the expiry. */
  lookup(key: BindingKey): MaybePromise<Binding | undefined>;
  /** Binds the session unless it is bound already. Returns the winner, which may be another caller's. */
  claim(key: BindingKey, target: Target): MaybePromise<Binding>;
  /** Slides the expiry if the generation is still `generation`. Returns what is true now; undefined if it has expired. */
  extend(key: BindingKey, generation: number): MaybePromise<Binding | undefined>;
  /**
   * Rebinds if the generation is still `fromGeneration`. Returns what is true now, perhaps another caller's move; a binding
   * that has expired or was evicted meanwhile is written afresh, at the generation that the move would have given it, so
   * that of several moves from one generation still only one wins.
   */
  move(key: BindingKey, fromGeneration: number, target: Target): MaybePromise<Binding>;
  /** Ends the binding. Returns whether there was one. */
  release(key: BindingKey): MaybePromise<boolean>;
  /** Never waits: what this process knows of the pool's load. */
  load(pool: string): LoadView;
}
