/** A catalog store that tells how long its rules hold the event loop. */
import type {
  CatalogStore,
  CatalogTransaction,
  CatalogView,
} from "../../src/kv/catalog/transaction.ts";

export class TimedStore implements CatalogStore {
  readonly #store: CatalogStore;
  #holdsMs: number[] = [];

  constructor(store: CatalogStore) {
    this.#store = store;
  }

  /** Of each rule since the last time that this was asked for. */
  takeHolds(): readonly number[] {
    const holds = this.#holdsMs;
    this.#holdsMs = [];
    return holds;
  }

  read<T>(view: (view: CatalogView) => T): T {
    return this.#store.read(view);
  }

  write<T>(rule: (transaction: CatalogTransaction) => T): Promise<T> {
    return this.#store.write((transaction) => {
      const from = performance.now();
      try {
        return rule(transaction);
      } finally {
        this.#holdsMs.push(performance.now() - from);
      }
    });
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
