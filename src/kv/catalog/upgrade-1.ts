/**
 * From version 1, in which a segment has one copy, to version 2, in which it has replicas besides: none here. Records are longer by
 * where those are listed and counted, the index of what may be evicted says whether a file has first copies, as all of these have, and
 * the room of a copy that was to be made is not counted as idle.
 */
import { bookedBytesOf } from "../records.ts";
import { bytes, type Codec, decode, encode, flag, record, text, uint } from "./codec.ts";
import { scan, scanPages, under, UNLIMITED } from "./keys.ts";
import { chargeLocation } from "./sums.ts";
import { isAwaited } from "./tables.ts";
import type { CatalogTransaction, Key } from "./transaction.ts";

/** Records that are read at once. */
const PAGE = 1_000;
const FIRST_COPIES = "1";
const NUMBER_CHARACTERS = 8;

/** What a file begins with in version 2, before what it looked like. */
const fileHead = record({
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
  replicaBytes: uint,
  lastReservationEndMs: uint,
  readScore: uint,
  priorityFloor: uint,
  leasedUntilMs: uint,
  hasStat: flag,
});

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
  const codec = headed(record<T>(first), added);
  return (encoded) => {
    try {
      return encode(codec, decode(codec, encoded));
    } catch {
      return encoded;
    }
  };
}

interface Headed<T> {
  readonly head: T;
  readonly rest: Uint8Array;
}

/** A record of which the first fields are known. `added`: bytes that are written after these. */
function headed<T>(head: Codec<T>, added: number): Codec<Headed<T>> {
  return {
    read: (from) => ({ head: head.read(from), rest: from.bytes(from.bytesLeft) }),
    write(out, value) {
      head.write(out, value.head);
      out.bytes(new Uint8Array(added));
      out.bytes(value.rest);
    },
  };
}

/** In the form that they have from version 2 to version 3. */
export function* readableFiles(tx: CatalogTransaction): Generator<ReturnType<typeof fileOf>, void> {
  for (const { value } of scanPages(tx, { ...under("f"), limit: PAGE })) {
    try {
      yield fileOf(value);
    } catch {
      // It stays as it is.
    }
  }
}

function fileOf(encoded: Uint8Array) {
  return decode(headed(fileHead, 0), encoded).head;
}

/** After the location and the priority. */
function rankedKey(key: Key): Key {
  const at = key.indexOf("\0") + 1 + NUMBER_CHARACTERS;
  return key.slice(0, at) + FIRST_COPIES + key.slice(at);
}
