/** Keys by level, the least one at hand. A binary heap that knows where each key is, so that a change costs O(log n). */
export class LevelHeap<K> {
  /** No entry is less than the one at half its place. */
  readonly #entries: Entry<K>[] = [];
  readonly #byKey = new Map<K, Entry<K>>();

  get size(): number {
    return this.#entries.length;
  }

  least(): K | undefined {
    return this.#entries[0]?.key;
  }

  level(key: K): number | undefined {
    return this.#byKey.get(key)?.level;
  }

  entries(): Iterable<Readonly<Leveled<K>>> {
    return this.#entries;
  }

  set(key: K, level: number): void {
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      entry = { key, level, at: this.#entries.length };
      this.#byKey.set(key, entry);
      this.#entries.push(entry);
    }
    entry.level = level;
    this.#settle(entry);
  }

  delete(key: K): void {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return;
    this.#byKey.delete(key);
    const last = this.#entries.pop();
    if (last === undefined || last === entry) return;
    this.#put(last, entry.at);
    this.#settle(last);
  }

  #settle(entry: Entry<K>): void {
    for (;;) {
      const above = this.#entries[(entry.at - 1) >> 1];
      if (above === undefined || above.level <= entry.level) break;
      this.#swap(entry, above);
    }
    for (;;) {
      const [left, right] = [this.#entries[2 * entry.at + 1], this.#entries[2 * entry.at + 2]];
      const less =
        right !== undefined && left !== undefined && right.level < left.level ? right : left;
      if (less === undefined || less.level >= entry.level) return;
      this.#swap(entry, less);
    }
  }

  #swap(one: Entry<K>, other: Entry<K>): void {
    const { at } = one;
    this.#put(one, other.at);
    this.#put(other, at);
  }

  #put(entry: Entry<K>, at: number): void {
    this.#entries[at] = entry;
    entry.at = at;
  }
}

export interface Leveled<K> {
  readonly key: K;
  level: number;
}

interface Entry<K> extends Leveled<K> {
  /** In the heap. */
  at: number;
}
