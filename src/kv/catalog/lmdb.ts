/**
 * The catalog of one machine, in LMDB: a memory-mapped B+ tree that a crash cannot tear, since a commit writes new pages and then
 * one root. Reads go straight to the map. Rules that are called in one turn of the event loop share one commit, which a thread of
 * the addon writes and syncs; each rule is a nested transaction in it, so one that throws takes back its own writes and no other's
 * (in lmdb-js the writes of a plain `transaction` that throws are committed all the same).
 */
import { join } from "node:path";

import { open, type RootDatabase, type RootDatabaseOptionsWithPath } from "lmdb";

import { AppError } from "../../errors.ts";
import { CatalogFault } from "../catalog-fault.ts";
import { assertMappable, unusable } from "./lmdb-file.ts";
import type {
  CatalogStore,
  CatalogTransaction,
  CatalogView,
  Entry,
  Key,
  KeyRange,
} from "./transaction.ts";

export interface LmdbStoreOptions {
  /** A folder of its own; it is made where it is missing. */
  readonly path: string;
  /**
   * What an answered rule survives: `power_loss` of the machine, which costs a sync for each commit; or the end of the `process`
   * only, and then the catalog itself may be damaged by a power loss.
   */
  readonly durability: "power_loss" | "process";
}

export class LmdbStore implements CatalogStore {
  readonly #database: RootDatabase<Buffer, Key>;
  readonly #transaction: CatalogTransaction;
  #closed: Promise<void> | undefined;

  /** Throws `catalog_invalid` for a file that is damaged, or not of LMDB. */
  constructor({ path, durability }: LmdbStoreOptions) {
    const database = openSound({
      path,
      noSubdir: false,
      encoding: "binary",
      // A rule touches pages all over the tree, and what each costs is the write and hardly its size; larger ones are fewer.
      pageSize: 8192,
      keyEncoder: latin1Keys,
      // A commit is synced before it is answered, with no second promise to wait for.
      overlappingSync: false,
      // With it, a commit that fails rejects a promise that nobody can hold, which ends the process. Rules of one turn share a
      // commit without it too: it begins in the turn's last phase.
      eventTurnBatching: false,
      noSync: durability === "process",
    });
    this.#database = database;
    this.#transaction = {
      get: (key) => database.get(key),
      put: (key, value) => void database.put(key, bufferOf(value)),
      remove: (key) => void database.remove(key),
      range: (range) => readRange(database, range),
    };
  }

  read<T>(view: (view: CatalogView) => T): T {
    return view(this.#transaction);
  }

  async write<T>(rule: (transaction: CatalogTransaction) => T): Promise<T> {
    try {
      return await this.#database.childTransaction(() => rule(this.#transaction));
    } catch (reason) {
      throw faultOf(reason);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#database.close();
    return this.#closed;
  }
}

function openSound(
  options: RootDatabaseOptionsWithPath & { readonly path: string },
): RootDatabase<Buffer, Key> {
  const file = join(options.path, "data.mdb");
  assertMappable(file);

  try {
    return open<Buffer, Key>(options);
  } catch (reason) {
    throw unusable(file, `cannot be opened: ${AppError.from(reason).message}`, reason);
  }
}

/** Of a commit that failed, the addon tells the cause by a promise that rejects some time later, or never; on stderr it does at once. */
function faultOf(reason: unknown): unknown {
  if (!(reason instanceof Error) || !("commitError" in reason)) return reason;
  void Promise.resolve(reason.commitError).catch(() => undefined);
  return new CatalogFault("the catalog cannot be written", { cause: reason });
}

function readRange(database: RootDatabase<Buffer, Key>, { from, to, limit }: KeyRange): Entry[] {
  if (limit <= 0) return []; // which LMDB would take for no limit
  const found = database.getRange({ start: from, end: to, limit });
  return Array.from(found, ({ key, value }) => ({ key, value }));
}

/** The same memory. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Keys go from strings into the memory of the addon, with no buffer between. */
const latin1Keys = {
  writeKey: (key: Key, target: Buffer, start: number): number =>
    start + target.write(key, start, "latin1"),
  readKey: (source: Buffer, start: number, end: number): Key =>
    source.toString("latin1", start, end),
};
