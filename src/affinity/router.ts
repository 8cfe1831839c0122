/**
 * One request in, one decision out: lookup, decide (placement.ts), then claim, extend or move.
 *
 * Every step is synchronous as long as the store answers synchronously, so a decision over the memory store creates no promise
 * and no closure. Over a shared store the writes are compare-and-set: whoever loses one decides again on what the winner
 * wrote. The store never fails a request: where it throws, the decision is made from what is known here, and is not bound.
 */
import type { Endpoint } from "../endpoints/endpoint.ts";
import { bindingKey } from "./binding-store.ts";
import type {
  Binding,
  BindingKey,
  BindingStore,
  LoadView,
  MaybePromise,
  Target,
} from "./binding-store.ts";
import type { Decision, RouteRequest, ServedDecision, ServedKind } from "./decision.ts";
import { decide, decideUnbound, isChoosing } from "./placement.ts";
import type { PlacementRules } from "./placement.ts";
import type { PoolSnapshot } from "./pool-snapshot.ts";

export type { Decision, RefusalReason, RouteRequest, ServedKind } from "./decision.ts";
export type { SubsetHint } from "./subset.ts";

export interface Router {
  /** Decides and binds. Concurrent first requests of one session all get the endpoint of the first. */
  route(request: RouteRequest): MaybePromise<Decision>;
  /** Whether `route` would choose an endpoint to bind the session to, by `costMs` where it is given. Changes nothing; false where the store fails. */
  isChoosing(request: RouteRequest): MaybePromise<boolean>;
  /**
   * The gateway served the request at `served`, one of `decision.fallbacks`, because the decided endpoint could not be
   * connected to: rebinds by compare-and-set on the generation that the decision carried.
   */
  correct(request: RouteRequest, decision: Decision, served: Endpoint): MaybePromise<void>;
}

/** What an operator may ask about one session. Unlike the data path, these reject when the store fails. */
export interface SessionDesk {
  /** Changes nothing and slides no expiry. */
  inspect(pool: PoolSnapshot, tenant: string, sessionId: string): MaybePromise<Inspection>;
  /** Ends the session's binding. Returns whether there was one. */
  release(pool: PoolSnapshot, tenant: string, sessionId: string): MaybePromise<boolean>;
}

export interface Inspection {
  /** `binding.reason` says why it points where it points. */
  readonly binding: Binding | undefined;
  /** What a request of this session would get now. */
  readonly next: Decision;
}

/** Called on the data path: must return at once and must not throw. */
export interface RouterObserver {
  /** A call of the store threw or rejected; the request was served all the same. */
  storeFailed(call: StoreCall, reason: unknown): void;
  /** Others changed one session's binding in between on every try; the request was served, but not bound. */
  contended(): void;
}

export type StoreCall = "lookup" | "claim" | "extend" | "move";

export interface StickyOptions extends PlacementRules {
  readonly store: BindingStore;
  readonly observer: RouterObserver;
}

/** Bindings outlive membership changes: a session leaves its endpoint only when that is lost, and stays where it went. */
export function createStickyRouter(options: StickyOptions): Router & SessionDesk {
  return new StickyRouter(options);
}

/** No state: a session is at the first ready rank of its slot, and goes home when that recovers. Draining counts as lost. */
export function createRingRouter(options: { readonly fallbacks: number }): Router & SessionDesk {
  const { fallbacks } = options;
  return {
    route: (request) => decideUnbound(request, fallbacks),
    isChoosing: () => false,
    correct: () => undefined,
    inspect: (pool, tenant, sessionId) => ({
      binding: undefined,
      next: decideUnbound({ pool, tenant, sessionId, subset: undefined }, fallbacks),
    }),
    release: () => false,
  };
}

/** One request on its way through the store. */
interface Visit {
  readonly request: RouteRequest;
  readonly key: BindingKey;
  readonly load: LoadView;
  triesLeft: number;
}

/** Each lost try means that another caller changed this very session in between: more than a few is no normal traffic. */
const MAX_TRIES = 4;

const WRITE_OF = {
  bound: "extend",
  moved: "move",
  placed: "claim",
  spilled: "claim",
  weighed: "claim",
} as const satisfies Record<ServedKind, StoreCall>;

class StickyRouter implements Router, SessionDesk {
  readonly #store: BindingStore;
  readonly #rules: PlacementRules;
  readonly #observer: RouterObserver;

  constructor({ store, observer, loadFactor, fallbacks }: StickyOptions) {
    this.#store = store;
    this.#rules = { loadFactor, fallbacks };
    this.#observer = observer;
  }

  route(request: RouteRequest): MaybePromise<Decision> {
    const key = keyOf(request);
    let found: MaybePromise<Binding | undefined>;
    try {
      found = this.#store.lookup(key);
    } catch (reason) {
      return this.#withoutLookup(request, reason);
    }
    const load = this.#store.load(request.pool.name);
    const visit: Visit = { request, key, load, triesLeft: MAX_TRIES };
    if (!(found instanceof Promise)) return this.#settle(visit, found);
    return found.then(
      (binding) => this.#settle(visit, binding),
      (reason: unknown) => this.#withoutLookup(request, reason),
    );
  }

  isChoosing(request: RouteRequest): MaybePromise<boolean> {
    const { pool } = request;
    try {
      const found = this.#store.lookup(keyOf(request));
      if (!(found instanceof Promise)) return isChoosing(pool, found);
      return found.then(
        (binding) => isChoosing(pool, binding),
        () => false,
      );
    } catch {
      return false; // `route`, which follows, tells of it
    }
  }

  correct(request: RouteRequest, decision: Decision, served: Endpoint): MaybePromise<void> {
    if (decision.kind === "refused" || decision.generation === 0) return;
    if (!decision.fallbacks.some((fallback) => fallback.id === served.id)) return;
    const key = keyOf(request);
    const target: Target = { pool: request.pool.name, endpoint: served.id, reason: "moved" };
    // Generations begin at 1 again when a binding was evicted or ended and the session is bound anew, elsewhere perhaps.
    const rebind = (now: Binding | undefined): MaybePromise<Binding | undefined> =>
      now === undefined || now.endpoint === decision.endpoint.id
        ? this.#store.move(key, decision.generation, target)
        : now;
    try {
      const found = this.#store.lookup(key);
      const now = found instanceof Promise ? found.then(rebind) : rebind(found);
      if (!(now instanceof Promise)) return;
      return now.then(
        () => undefined,
        (reason: unknown) => this.#observer.storeFailed("move", reason),
      );
    } catch (reason) {
      this.#observer.storeFailed("move", reason);
    }
  }

  inspect(pool: PoolSnapshot, tenant: string, sessionId: string): MaybePromise<Inspection> {
    const request: RouteRequest = { pool, tenant, sessionId, subset: undefined };
    const found = this.#store.lookup(keyOf(request));
    const load = this.#store.load(pool.name);
    const report = (binding: Binding | undefined): Inspection => ({
      binding,
      next: decide({ request, binding, load }, this.#rules),
    });
    return found instanceof Promise ? found.then(report) : report(found);
  }

  release(pool: PoolSnapshot, tenant: string, sessionId: string): MaybePromise<boolean> {
    return this.#store.release(bindingKey(pool.name, tenant, sessionId));
  }

  /** Decides on the binding that the store has, and writes what follows from it. */
  #settle(visit: Visit, binding: Binding | undefined): MaybePromise<Decision> {
    const { request, load } = visit;
    const decision = decide({ request, binding, load }, this.#rules);
    if (decision.kind === "refused" || isDetour(decision, binding)) return decision;
    if (visit.triesLeft === 0) {
      this.#observer.contended();
      return unconfirmed(decision);
    }
    visit.triesLeft--;

    let now: MaybePromise<Binding | undefined>;
    try {
      now = this.#write(visit, decision);
    } catch (reason) {
      return this.#withoutWrite(decision, reason);
    }
    if (!(now instanceof Promise)) return this.#conclude(visit, decision, now);
    return now.then(
      (later) => this.#conclude(visit, decision, later),
      (reason: unknown) => this.#withoutWrite(decision, reason),
    );
  }

  #write({ request, key }: Visit, decision: ServedDecision): MaybePromise<Binding | undefined> {
    const { kind, generation } = decision;
    if (kind === "bound") return this.#store.extend(key, generation);
    const target: Target = {
      pool: request.pool.name,
      endpoint: decision.endpoint.id,
      reason: kind,
    };
    return kind === "moved"
      ? this.#store.move(key, generation, target)
      : this.#store.claim(key, target);
  }

  /** The decision stands where the store's binding agrees with it, whoever wrote that; else the winner's is decided on. */
  #conclude(
    visit: Visit,
    decision: ServedDecision,
    now: Binding | undefined,
  ): MaybePromise<Decision> {
    if (now === undefined || now.endpoint !== decision.endpoint.id) return this.#settle(visit, now);
    return withGeneration(decision, now.generation);
  }

  #withoutLookup(request: RouteRequest, reason: unknown): Decision {
    this.#observer.storeFailed("lookup", reason);
    return decideUnbound(request, this.#rules.fallbacks);
  }

  #withoutWrite(decision: ServedDecision, reason: unknown): Decision {
    this.#observer.storeFailed(WRITE_OF[decision.kind], reason);
    return unconfirmed(decision);
  }
}

function keyOf({ pool, tenant, sessionId }: RouteRequest): BindingKey {
  return bindingKey(pool.name, tenant, sessionId);
}

/** A binding that this request's subset hint excludes: served elsewhere, nothing to write. */
function isDetour(decision: ServedDecision, binding: Binding | undefined): boolean {
  return binding !== undefined && decision.kind === "placed";
}

/** What is known here is served. Only a binding that the store had before still stands behind it. */
function unconfirmed(decision: ServedDecision): ServedDecision {
  return decision.kind === "bound" ? decision : withGeneration(decision, 0);
}

function withGeneration(decision: ServedDecision, generation: number): ServedDecision {
  return decision.generation === generation ? decision : { ...decision, generation };
}
