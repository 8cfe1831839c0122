/**
 * Bindings of this process: a bounded table, least recently used first out, with a sliding TTL.
 *
 * Every write that counts as a use also sets the expiry anew, and all entries live equally long, so the order of use is the
 * order of expiry: what expires next is always at the least recently used end. A sweep therefore walks from there and stops
 * at the first live entry, and the entry that a full table gives up is the one nearest to its expiry. The TTL of `lru-cache`
 * itself is not used: it keeps time by itself, and costs two arrays that the binding makes unnecessary.
 */
import { LRUCache } from "lru-cache";

import type { Binding, BindingKey, BindingStore, Target } from "../affinity/binding-store.ts";
import type { Clock } from "../clock.ts";
import { PoolLoad } from "./pool-load.ts";

/** Why a binding left the table. */
export type EvictionCause =
  | "capacity" // the table was full
  | "expired" // unused for its TTL
  | "released"; // ended by its owner

/** Called while the table changes: must return at once, must not throw, must not call the store. */
export interface BindingsObserver {
  evicted(cause: EvictionCause, binding: Binding): void;
  moved(from: Binding, to: Binding): void;
}

export interface MemoryBindingsOptions {
  readonly clock: Clock;
  /** >= 1. */
  readonly maxSessions: number;
  /** Sliding: a binding ends this long after its last use. */
  readonly ttlMs: number;
  readonly observer: BindingsObserver;
}

/** Only the expiry of an entry changes in place, so a binding that a caller holds keeps its endpoint and its generation. */
interface Entry extends Binding {
  expiresAtMs: number;
}

/** Counts include bindings that have expired and were neither swept nor looked up since. */
export class MemoryBindings implements BindingStore {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #observer: BindingsObserver;
  /** Least recently used first, which is also soonest to expire first. */
  readonly #table: LRUCache<BindingKey, Entry>;
  /** One per pool name ever seen; every entry of the table is counted in exactly one. */
  readonly #loads = new Map<string, PoolLoad>();

  constructor({ clock, maxSessions, ttlMs, observer }: MemoryBindingsOptions) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#observer = observer;
    this.#table = new LRUCache({
      max: maxSessions,
      dispose: (entry, _key, reason) => {
        if (reason !== "evict") return;
        this.#forget(entry, this.#clock.now() < entry.expiresAtMs ? "capacity" : "expired");
      },
    });
  }

  get size(): number {
    return this.#table.size;
  }

  lookup(key: BindingKey): Binding | undefined {
    return this.#live(key);
  }

  claim(key: BindingKey, target: Target): Binding {
    return this.#live(key) ?? this.#write(ownCopy(key), target, 1);
  }

  extend(key: BindingKey, generation: number): Binding | undefined {
    const nowMs = this.#clock.now();
    const entry = this.#live(key, nowMs);
    if (entry?.generation !== generation) return entry;
    this.#table.get(key); // makes it the most recently used
    entry.expiresAtMs = nowMs + this.#ttlMs;
    return entry;
  }

  move(key: BindingKey, fromGeneration: number, target: Target): Binding {
    const from = this.#live(key);
    if (from === undefined) return this.#write(ownCopy(key), target, fromGeneration + 1);
    if (from.generation !== fromGeneration) return from;
    const to = this.#write(key, target, fromGeneration + 1);
    this.load(from.pool).remove(from.endpoint);
    this.#observer.moved(from, to);
    return to;
  }

  release(key: BindingKey): boolean {
    const entry = this.#live(key);
    if (entry === undefined) return false;
    this.#remove(key, entry, "released");
    return true;
  }

  load(pool: string): PoolLoad {
    let load = this.#loads.get(pool);
    if (load === undefined) {
      load = new PoolLoad(pool);
      this.#loads.set(pool, load);
    }
    return load;
  }

  /** Drops expired bindings, looking at no more than `limit`. Returns how many it dropped; `limit` means there may be more. */
  sweep(limit: number): number {
    let dropped = 0;
    for (const key of this.#table.rkeys()) {
      if (dropped === limit || this.#live(key) !== undefined) break;
      dropped++;
    }
    return dropped;
  }

  /** Expired entries leave at the first look, swept or not. */
  #live(key: BindingKey, nowMs = this.#clock.now()): Entry | undefined {
    const entry = this.#table.peek(key);
    if (entry === undefined || nowMs < entry.expiresAtMs) return entry;
    this.#remove(key, entry, "expired");
    return undefined;
  }

  /** Writes a new entry, in place of the key's old one if there is one; the caller accounts for the old one. */
  #write(key: BindingKey, target: Target, generation: number): Entry {
    const load = this.load(target.pool);
    const entry: Entry = {
      pool: load.pool,
      endpoint: load.add(target.endpoint),
      generation,
      reason: target.reason,
      expiresAtMs: this.#clock.now() + this.#ttlMs,
    };
    this.#table.set(key, entry);
    return entry;
  }

  #remove(key: BindingKey, entry: Entry, cause: EvictionCause): void {
    this.#table.delete(key);
    this.#forget(entry, cause);
  }

  #forget(entry: Entry, cause: EvictionCause): void {
    this.load(entry.pool).remove(entry.endpoint);
    this.#observer.evicted(cause, entry);
  }
}

/**
 * A session id is often cut out of a longer text, a cookie header say, and a JavaScript engine may keep the whole of that text
 * for as long as the piece lives. The table keeps a copy of its own instead.
 */
function ownCopy(key: BindingKey): BindingKey {
  return Buffer.from(key).toString() as BindingKey;
}
