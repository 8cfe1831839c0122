/**
 * What one rule has read and written, laid over its transaction until it returns. A rule that drops a thousand segments changes the
 * records of their session, file and tenant a thousand times: here they stay decoded, and each is encoded and written once.
 */
import { type Codec, decode, encode } from "./codec.ts";
import { lowerBound } from "./sorted-keys.ts";
import type { CatalogTransaction, CatalogView, Entry, Key, KeyRange } from "./transaction.ts";

/** Runs the rule over a layer of its own, and writes what it left there. */
export function layered<T>(tx: CatalogTransaction, rule: (tx: CatalogTransaction) => T): T {
  const layer = new Layer(tx);
  const result = rule(layer);
  layer.flush();
  return result;
}

export function getRecord<T>(view: CatalogView, key: Key, codec: Codec<T>): T | undefined {
  if (view instanceof Layer) return view.getRecord(key, codec);
  const encoded = view.get(key);
  return encoded === undefined ? undefined : decode(codec, encoded);
}

/** The record is the transaction's from here on, as bytes are. */
export function putRecord<T>(tx: CatalogTransaction, key: Key, kept: Kept<T>): void {
  if (tx instanceof Layer) tx.putRecord(key, kept);
  else tx.put(key, encode(kept.codec, kept.record));
}

export interface Kept<T> {
  readonly record: T;
  readonly codec: Codec<T>;
}

/** A key always has records of one codec, so what was kept under it can be given back as it is. */
type Value = Uint8Array | Kept<unknown>;

class Layer implements CatalogTransaction {
  readonly #below: CatalogTransaction;
  /** What is below has these decoded. */
  readonly #read = new Map<Key, unknown>();
  /** Undefined: removed. */
  readonly #written = new Map<Key, Value | undefined>();
  /** Of what was written, in order. */
  readonly #keys: Key[] = [];

  constructor(below: CatalogTransaction) {
    this.#below = below;
  }

  get(key: Key): Uint8Array | undefined {
    return this.#written.has(key) ? bytesOf(this.#written.get(key)) : this.#below.get(key);
  }

  getRecord<T>(key: Key, codec: Codec<T>): T | undefined {
    const written = this.#written.get(key);
    if (written !== undefined) {
      return written instanceof Uint8Array ? decode(codec, written) : (written.record as T);
    }
    if (this.#written.has(key)) return undefined;
    const read = this.#read.get(key);
    if (read !== undefined) return read as T;
    const encoded = this.#below.get(key);
    if (encoded === undefined) return undefined;
    const record = decode(codec, encoded);
    this.#read.set(key, record);
    return record;
  }

  put(key: Key, value: Uint8Array): void {
    this.#write(key, value);
  }

  putRecord(key: Key, kept: Kept<unknown>): void {
    this.#write(key, kept);
  }

  remove(key: Key): void {
    this.#write(key, undefined);
  }

  /** Of the first entries below no more are hidden than were written, so so many more are enough. */
  range(range: KeyRange): readonly Entry[] {
    const { from, to, limit } = range;
    const own = this.#keys.slice(lowerBound(this.#keys, from), lowerBound(this.#keys, to));
    if (own.length === 0 || limit <= 0) return this.#below.range(range);
    const below = this.#below.range({ from, to, limit: limit + own.length });
    const entries = below.filter(({ key }) => !this.#written.has(key));
    for (const key of own) {
      const value = bytesOf(this.#written.get(key));
      if (value !== undefined) entries.push({ key, value });
    }
    return entries.toSorted((a, b) => (a.key < b.key ? -1 : 1)).slice(0, limit);
  }

  /** In the order of keys, which is that of the store. */
  flush(): void {
    for (const key of this.#keys) {
      const value = bytesOf(this.#written.get(key));
      if (value === undefined) this.#below.remove(key);
      else this.#below.put(key, value);
    }
  }

  #write(key: Key, value: Value | undefined): void {
    if (!this.#written.has(key)) this.#keys.splice(lowerBound(this.#keys, key), 0, key);
    this.#written.set(key, value);
  }
}

function bytesOf(value: Value | undefined): Uint8Array | undefined {
  return value === undefined || value instanceof Uint8Array
    ? value
    : encode(value.codec, value.record);
}
