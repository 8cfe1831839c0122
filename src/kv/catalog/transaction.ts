/**
 * What a catalog adapter has to give: transactions over ordered bytes. The rules are written once, upon this, as pure synchronous
 * functions; an adapter may run a rule again from the start, and nobody sees a transaction that did not commit.
 */

/** A byte string: every character is below 256, so that the order of strings is the order of bytes. At most 1,900 of them. */
export type Key = string;

/** From `from`, before `to`. */
export interface KeyRange {
  readonly from: Key;
  readonly to: Key;
  readonly limit: number;
}

export interface Entry {
  readonly key: Key;
  readonly value: Uint8Array;
}

export interface CatalogView {
  get(key: Key): Uint8Array | undefined;
  /** In order of keys. A list of its own, which later writes do not change. */
  range(range: KeyRange): readonly Entry[];
}

/** Sees its own writes. */
export interface CatalogTransaction extends CatalogView {
  /** The value is the transaction's from here on. */
  put(key: Key, value: Uint8Array): void;
  remove(key: Key): void;
}

export interface CatalogStore {
  /** Sees one moment, and every write that was answered before. */
  read<T>(view: (view: CatalogView) => T): T;
  /**
   * All or nothing: if the rule throws, nothing was written and the promise rejects with what it threw. Rules run one after the
   * other, in any order. Resolves once the commit is as durable as the store was opened for.
   */
  write<T>(rule: (transaction: CatalogTransaction) => T): Promise<T>;
  /** Idempotent. Waits for writes under way. */
  close(): Promise<void>;
}
