/**
 * Where the bytes of segments lie. Owned by the KV core, implemented in `locations/`: a directory now, a bucket later. So no
 * method needs a rename, an append or a lock, and what a bucket cannot do, growing an object, is a method that it lacks.
 *
 * A location knows objects, not segments: which bytes are in use, by whom and how many were promised is in the catalog, which
 * also keeps two callers from writing one object at a time. What is promised here is that nobody leaves the root, that an
 * object put here appears whole or not at all, and that every failure has a code to act on. An object is missing only where the
 * store that it should be in is there: all of it gone is `io`, so that a disk that is not mounted has lost nothing.
 *
 * Promises answer with what was asked for or with a LocationFault, and reject for a bug only. A stream has no other way to say
 * it, so `read` throws the fault. What a caller's own source throws is thrown on as it is.
 */

import type { Staging } from "./staging.ts";

declare const objectNameBrand: unique symbol;
/** `part` or `part.epoch`, in letters, digits, `_` and `-`: safe as a file name, a URL segment and a bucket key alike. */
export type ObjectName = string & { readonly [objectNameBrand]: true };

declare const leftoverIdBrand: unique symbol;
/** Names one thing that a put left unfinished. Known to the location that listed it, and to no other. */
export type LeftoverId = string & { readonly [leftoverIdBrand]: true };

const OBJECT_NAME = /^[A-Za-z0-9_-]{1,128}(\.[A-Za-z0-9_-]{1,32})?$/;

/** Undefined unless it is one. Every name passes here, those of a file listing and of a URI too. */
export function parseObjectName(text: string): ObjectName | undefined {
  return OBJECT_NAME.test(text) ? (text as ObjectName) : undefined;
}

export type Tier = "memory" | "disk" | "remote";

export interface SpaceLimits {
  /** Of all objects here together, at their full lengths. */
  readonly capacityBytes: number;
  /** What must stay free on the device, for everybody else. */
  readonly freeFloorBytes: number;
}

export interface LocationProfile extends SpaceLimits {
  readonly id: string;
  readonly tier: Tier;
  /** The share of new objects that it takes among the locations of its tier; > 0. */
  readonly weight: number;
}

/** Bytes `[offset, offset + length)`. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** What an object looked like. The two strings are for comparing only, with one from the same location. */
export interface ObjectStat {
  readonly sizeBytes: number;
  /** Changes when another object takes the name. Directory: device and inode. */
  readonly identity: string;
  /** Changes with every write, as finely as the store tells time. Directory: mtime and ctime in ns. Bucket: the ETag. */
  readonly content: string;
  /** By the wall clock of the store: for judging its age, and compared with nothing else. */
  readonly modifiedAtMs: number;
}

/** What is compared while a reservation is open in the object, whose bytes change by right. */
export function isSameObject(a: ObjectStat, b: ObjectStat): boolean {
  return a.identity === b.identity && a.sizeBytes === b.sizeBytes;
}

export function isSameContent(a: ObjectStat, b: ObjectStat): boolean {
  return isSameObject(a, b) && a.content === b.content;
}

/** What the bytes of a source must turn out to be. */
export interface Expectation {
  readonly bytes: number;
  /** CRC-32 as in zlib and gzip, unsigned. */
  readonly crc: number;
}

export type FaultCode =
  | "not_found" // no such object, or no such location
  | "exists" // the name is taken; nothing was changed
  | "no_space" // the device is full, or a limit would be broken; nothing is held
  | "out_of_range" // the object has no such bytes
  | "mismatch" // the bytes are not those that were expected
  | "not_ours" // a link, a folder or a device lies where the object should; it was not followed
  | "io"; // the store failed, or is not there; what it did is unknown

/** Its message names no object, since a name may be a session's id, and faults are logged. Whoever asked knows which it was. */
export class LocationFault extends Error {
  override readonly name = "LocationFault";
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** `kept`: another object has the name. */
export type Removal = "removed" | "absent" | "kept";

export interface ListedObject {
  readonly name: ObjectName;
  readonly stat: ObjectStat;
}

/** A put that never finished: dead if it is older than any put may last, and then to be discarded. */
export interface Leftover {
  readonly id: LeftoverId;
  readonly stat: ObjectStat;
}

export interface ListedPage {
  readonly objects: readonly ListedObject[];
  readonly leftovers: readonly Leftover[];
  /** What somebody else put under the root, as paths for people. Never touched. */
  readonly foreign: readonly string[];
  /** Where the next page starts; undefined after the last one. */
  readonly next: string | undefined;
}

export interface Location {
  readonly profile: LocationProfile;

  /** Absent where engines share no filesystem with it. */
  readonly staging?: Staging;

  /**
   * Makes an object that is there at its full size when this answers, its bytes zero until they are written. Takes no room
   * on most devices: the caller holds the room by its books, and the location only checks that this one would fit now.
   */
  reserve(name: ObjectName, bytes: number): Promise<ObjectStat | LocationFault>;

  /**
   * Reserves again in the same object, from its present size, which must be `fromBytes`, up to `toBytes`. Absent where
   * objects cannot grow: there each reservation is an object of its own, written once, from 0. Not for two callers at a time.
   */
  readonly extend?: (
    name: ObjectName,
    fromBytes: number,
    toBytes: number,
  ) => Promise<LocationFault | undefined>;

  /** Undefined when there is none. */
  stat(name: ObjectName): Promise<ObjectStat | undefined | LocationFault>;

  /**
   * The bytes of the ranges, one after the other, in chunks of up to 1 MiB that take no note of where a range ends. **A chunk
   * is lent**: it is valid until the next one is asked for, so use it up or copy it before. At most two chunks are held, and
   * nothing is read further ahead, so a slow consumer costs no more. Leaving the loop early frees everything.
   *
   * `opened` is told how the object looks that the bytes are of, before the first of them is read.
   */
  read(
    name: ObjectName,
    ranges: readonly ByteRange[],
    opened?: (stat: ObjectStat) => void,
  ): AsyncIterable<Uint8Array>;

  /** Fills `target` from `offset` on, wholly or not at all (its content is then undefined). For single looks; `read` streams. */
  readInto(
    name: ObjectName,
    offset: number,
    target: Uint8Array,
  ): Promise<LocationFault | undefined>;

  /**
   * Writes into a reserved object, within its size, which never changes by it. On a fault the range's bytes are undefined,
   * so it must be one that nothing lists yet. Chunks of the source are used up before the next is asked for. Not durable
   * before `sync`.
   */
  writeAt(write: PlacedWrite): Promise<ObjectStat | LocationFault>;

  /** What was written to the object until now, by whomever, and its name survive power loss from here on. */
  sync(name: ObjectName): Promise<ObjectStat | LocationFault>;

  /**
   * Makes a whole object of our own: it appears under its name at once, complete, checked and durable, or not at all. Never
   * replaces one.
   */
  put(
    name: ObjectName,
    source: AsyncIterable<Uint8Array>,
    expect: Expectation,
  ): Promise<ObjectStat | LocationFault>;

  /**
   * Removes the object if it is the one that is meant, by its stat a moment before. What is no object stays: the fault
   * `not_ours`.
   */
  removeIf(name: ObjectName, isIt: (stat: ObjectStat) => boolean): Promise<Removal | LocationFault>;

  /** Looks at no more than `limit` entries. In pages from the start, each object that stays meanwhile is seen once. */
  list(cursor: string | undefined, limit: number): Promise<ListedPage | LocationFault>;

  /** Removes what a put left behind. True if it was there. */
  discard(leftover: LeftoverId): Promise<boolean | LocationFault>;

  /** What an unprivileged writer could still write here. */
  freeBytes(): Promise<number | LocationFault>;

  /** The address as engines see it. */
  uri(name: ObjectName): string;

  /** Undefined unless it is exactly what `uri` makes of a name: nothing else under the root can be addressed. */
  nameOf(uri: string): ObjectName | undefined;

  /** Idempotent. Waits for what is running; readers under way end by themselves. */
  close(): Promise<void>;
}

export interface PlacedWrite {
  readonly name: ObjectName;
  readonly offset: number;
  readonly source: AsyncIterable<Uint8Array>;
  readonly expect: Expectation;
}

export interface SpaceBooks {
  /** All objects of the location, at their full lengths. */
  readonly bookedBytes: number;
  /** The part of it that was promised and may not be written yet, to a turn or to a copy: the device still counts it as free. */
  readonly unwrittenBytes: number;
  readonly freeBytes: number;
}

/** What could still be promised; below 0 where more was promised than is there. */
export function roomIn(limits: SpaceLimits, books: SpaceBooks): number {
  const byBooks = limits.capacityBytes - books.bookedBytes;
  return Math.min(byBooks, books.freeBytes - books.unwrittenBytes - limits.freeFloorBytes);
}

/** Why `bytes` more cannot be promised; undefined if they can. */
export function refuseSpace(
  limits: SpaceLimits,
  books: SpaceBooks,
  bytes: number,
): LocationFault | undefined {
  const { capacityBytes, freeFloorBytes } = limits;
  if (books.bookedBytes + bytes > capacityBytes) {
    const message = `${bytes} bytes on top of ${books.bookedBytes} exceed the capacity of ${capacityBytes}`;
    return new LocationFault("no_space", message);
  }
  const remaining = books.freeBytes - books.unwrittenBytes - bytes;
  if (remaining >= freeFloorBytes) return undefined;
  const message = `${bytes} bytes would leave ${remaining} free, and ${freeFloorBytes} must stay`;
  return new LocationFault("no_space", message);
}

/** Whether an object of this size has the whole range. Takes any numbers. */
export function isWithin({ offset, length }: ByteRange, sizeBytes: number): boolean {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) return false;
  return offset >= 0 && length >= 0 && offset + length <= sizeBytes;
}
