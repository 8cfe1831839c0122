import { AppError } from "../../errors.ts";
import { type Codec, decode } from "./codec.ts";
import { scan, UNLIMITED } from "./keys.ts";
import { getRecord, putRecord } from "./layer.ts";
import type { CatalogTransaction, CatalogView, Key, KeyRange } from "./transaction.ts";

const NOTHING = new Uint8Array(0);

export interface TableOptions<I, T extends I> {
  /** What the keys of all records start with. */
  readonly prefix: Key;
  readonly keyOf: (id: I) => Key;
  readonly codec: Codec<T>;
  /** The index keys under which the record is to be found. */
  readonly indexesOf?: (record: T) => readonly Key[];
  /** Brings what is derived from the records up to date. Sees the record as it is after the change. */
  readonly changed?: (tx: CatalogTransaction, before: T | undefined, after: T | undefined) => void;
}

/**
 * Records of one kind, with the indexes and sums that follow from them. Whatever a rule does to a record goes through here, so an
 * index or a sum cannot be forgotten, and changes with its record or not at all.
 */
export class Table<I, T extends I> {
  readonly #options: TableOptions<I, T>;

  constructor(options: TableOptions<I, T>) {
    this.#options = options;
  }

  get(view: CatalogView, id: I): T | undefined {
    return this.at(view, this.#options.keyOf(id));
  }

  /** By the key itself, as an index has it. */
  at(view: CatalogView, key: Key): T | undefined {
    return getRecord(view, key, this.#options.codec);
  }

  keyOf(id: I): Key {
    return this.#options.keyOf(id);
  }

  /** The record, and the key that it belongs under. Throws where it cannot be read, or names what cannot be a key. */
  entryOf(encoded: Uint8Array): { readonly key: Key; readonly record: T } {
    const { keyOf, codec, indexesOf } = this.#options;
    const record = decode(codec, encoded);
    indexesOf?.(record);
    return { key: keyOf(record), record };
  }

  all(view: CatalogView): readonly T[] {
    const { prefix, codec } = this.#options;
    return scan(view, prefix, UNLIMITED).map(({ value }) => decode(codec, value));
  }

  range(view: CatalogView, range: KeyRange): readonly T[] {
    return view.range(range).map(({ value }) => decode(this.#options.codec, value));
  }

  /** What must be there, or the catalog contradicts itself. Its id is not told: it may be a session's, and errors are logged. */
  must(view: CatalogView, id: I): T {
    const record = this.get(view, id);
    if (record !== undefined) return record;
    throw new AppError("internal", "the catalog has no record that another names");
  }

  save(tx: CatalogTransaction, record: T): void {
    this.#replace(tx, this.get(tx, record), record);
  }

  /** From what is there at this moment: a copy that a rule took earlier may miss a sum that moved since. */
  update(tx: CatalogTransaction, id: I, change: (record: T) => T): T {
    const before = this.must(tx, id);
    const after = change(before);
    this.#replace(tx, before, after);
    return after;
  }

  delete(tx: CatalogTransaction, id: I): void {
    const before = this.get(tx, id);
    if (before !== undefined) this.#replace(tx, before, undefined);
  }

  #replace(tx: CatalogTransaction, before: T | undefined, after: T | undefined): void {
    const { keyOf, codec, indexesOf, changed } = this.#options;
    if (after !== undefined) putRecord(tx, keyOf(after), { record: after, codec });
    else if (before !== undefined) tx.remove(keyOf(before));
    if (indexesOf !== undefined) {
      const stale = before === undefined ? [] : indexesOf(before);
      const fresh = after === undefined ? [] : indexesOf(after);
      for (const key of stale) if (!fresh.includes(key)) tx.remove(key);
      for (const key of fresh) if (!stale.includes(key)) tx.put(key, NOTHING);
    }
    changed?.(tx, before, after);
  }
}
