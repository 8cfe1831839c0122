/**
 * A catalog store in memory, for tests and for a service that may forget. A transaction writes to a layer of its own, which is
 * laid over the committed state when the rule has returned; what was never committed is simply not there.
 */
import { lowerBound } from "./sorted-keys.ts";
import type { CatalogStore, CatalogTransaction, Entry, Key, KeyRange } from "./transaction.ts";

/** Committed state, in no order; `range` sorts what it needs. */
type State = Map<Key, Uint8Array>;

export class MemoryStore implements CatalogStore {
  readonly #state: State;
  /** Every key of the state, in order. */
  #keys: readonly Key[];

  constructor(state: ReadonlyMap<Key, Uint8Array> = new Map()) {
    this.#state = new Map(state);
    this.#keys = [...state.keys()].toSorted();
  }

  read<T>(view: (view: CatalogTransaction) => T): T {
    return view(this.#layer(new Map()));
  }

  async write<T>(rule: (transaction: CatalogTransaction) => T): Promise<T> {
    const written = new Map<Key, Uint8Array | undefined>();
    const result = rule(this.#layer(written));
    this.#commit(written);
    return result;
  }

  /** What a process that starts now would find. */
  snapshot(): ReadonlyMap<Key, Uint8Array> {
    return new Map(this.#state);
  }

  async close(): Promise<void> {}

  #layer(written: Map<Key, Uint8Array | undefined>): CatalogTransaction {
    const get = (key: Key) => (written.has(key) ? written.get(key) : this.#state.get(key));
    return {
      get,
      put: (key, value) => void written.set(key, value),
      remove: (key) => void written.set(key, undefined),
      range: (range) => this.#range(range, written),
    };
  }

  #range(
    { from, to, limit }: KeyRange,
    written: ReadonlyMap<Key, Uint8Array | undefined>,
  ): Entry[] {
    const added = [...written.keys()].filter((key) => key >= from && key < to);
    const known = this.#keys.slice(lowerBound(this.#keys, from), lowerBound(this.#keys, to));
    const entries: Entry[] = [];
    for (const key of new Set([...known, ...added].toSorted())) {
      if (entries.length === limit) break;
      const value = written.has(key) ? written.get(key) : this.#state.get(key);
      if (value !== undefined) entries.push({ key, value });
    }
    return entries;
  }

  #commit(written: ReadonlyMap<Key, Uint8Array | undefined>): void {
    let hasNewKeys = false;
    for (const [key, value] of written) {
      hasNewKeys ||= this.#state.has(key) !== (value !== undefined);
      if (value === undefined) this.#state.delete(key);
      else this.#state.set(key, value);
    }
    if (hasNewKeys) this.#keys = [...this.#state.keys()].toSorted();
  }
}
