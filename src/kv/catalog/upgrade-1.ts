/**
 * From version 1, in which a segment has one copy, to version 2, in which it has replicas besides: none here. Records are longer by
 * where those are listed and counted, the index of what may be evicted says whether a file has first copies, as all of these have, and
 * the room of a copy that was to be made is not counted as idle.
 */
import { bookedBytesOf, type StoredFile } from "../records.ts";
import { bytes, type Codec, decode, encode, record, text, uint } from "./codec.ts";
import { scan, scanPages, under, UNLIMITED } from "./keys.ts";
import { chargeLocation } from "./sums.ts";
import { files, isAwaited } from "./tables.ts";
import type { CatalogTransaction, Key } from "./transaction.ts";

/** Records that are read at once. */
const PAGE = 1_000;
const FIRST_COPIES = "1";
const NUMBER_CHARACTERS = 8;

export function upgradeFrom1(tx: CatalogTransaction): void {
  for (const [letter, upgraded] of RECORDS) {
    const entries = scanPages(tx, { ...under(letter), limit: PAGE });
    for (const { key, value } of entries) tx.put(key, upgraded(value));
  }
  for (const file of readableFiles(tx)) {
    if (!isAwaited(file)) continue;
    chargeLocation(tx, file.location, { idleBytes: -bookedBytesOf(file) });
  }
  for (const { key, value } of scan(tx, "k", UNLIMITED)) {
    tx.remove(key);
    tx.put(rankedKey(key), value);
  }
}

/** By the first letter of their keys: segments, files, and what locations hold. */
const RECORDS: readonly (readonly [Key, (encoded: Uint8Array) => Uint8Array])[] = [
  [
    "g",
    lengthened(1, {
      id: text,
      tenant: text,
      turn: text,
      state: uint,
      retentionClass: text,
      geometry: bytes,
      location: text,
      name: text,
    }),
  ],
  [
    "f",
    lengthened(1, {
      location: text,
      name: text,
      tenant: text,
      creator: text,
      highWaterBytes: uint,
      unusedBytes: uint,
      isSealed: uint,
      openReservations: uint,
      committedBytes: uint,
      referencedBytes: uint,
    }),
  ],
  [
    "l",
    lengthened(2, { location: text, bookedBytes: uint, unwrittenBytes: uint, referenced: uint }),
  ],
];

/** So many empty lists and counts of nothing, which are a byte of 0 each, after the first fields. What cannot be read stays as it is. */
function lengthened<T extends object>(
  added: number,
  first: { readonly [K in keyof T]-?: Codec<T[K]> },
): (encoded: Uint8Array) => Uint8Array {
  const head = record<T>(first);
  const codec: Codec<{ readonly head: T; readonly rest: Uint8Array }> = {
    read: (from) => ({ head: head.read(from), rest: from.bytes(from.bytesLeft) }),
    write(out, value) {
      head.write(out, value.head);
      out.bytes(new Uint8Array(added));
      out.bytes(value.rest);
    },
  };
  return (encoded) => {
    try {
      return encode(codec, decode(codec, encoded));
    } catch {
      return encoded;
    }
  };
}

/** In the form that they have from version 2 on. */
export function* readableFiles(tx: CatalogTransaction): Generator<StoredFile, void> {
  for (const { key } of scanPages(tx, { ...under("f"), limit: PAGE })) {
    const file = fileAt(tx, key);
    if (file !== undefined) yield file;
  }
}

/** Undefined where it cannot be read. */
function fileAt(tx: CatalogTransaction, key: Key): StoredFile | undefined {
  try {
    return files.at(tx, key);
  } catch {
    return undefined;
  }
}

/** After the location and the priority. */
function rankedKey(key: Key): Key {
  const at = key.indexOf("\0") + 1 + NUMBER_CHARACTERS;
  return key.slice(0, at) + FIRST_COPIES + key.slice(at);
}
