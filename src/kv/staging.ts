/**
 * A flat folder on the filesystem of a location, in which engines save and from which they restore by bare file names. A name serves
 * one save or one restore and is never used again: an object of the location and a staged file may be one file with two names, so whoever saved onto a staged name
 * would write into what is durable.
 *
 * Owned by the KV core; a location that engines share no filesystem with has none.
 */
import type { ObjectName, ObjectStat } from "./location.ts";
import type { Expectation, LocationFault } from "./location.ts";

declare const stagedNameBrand: unique symbol;
/** A bare file name, `[A-Za-z0-9_-]{1,64}\.slot`: fit for engines that take letters, digits and a dot. */
export type StagedName = string & { readonly [stagedNameBrand]: true };

const STAGED_NAME = /^[A-Za-z0-9_-]{1,64}\.slot$/;

/** Undefined unless it is one. */
export function parseStagedName(text: string): StagedName | undefined {
  return STAGED_NAME.test(text) ? (text as StagedName) : undefined;
}

export interface Staged extends Expectation {
  readonly stat: ObjectStat;
}

/** Promises answer with what was asked for or with a fault, as those of a `Location`. */
export interface Staging {
  /** The folder, as this process sees it: engines are started with their own path of it. */
  readonly path: string;

  /** What an engine saved there: all of it is read once, and synced. `not_found` where there is none. */
  examine(name: StagedName): Promise<Staged | LocationFault>;

  /** Whether it could become an object. A fault where it gets no name beside the objects: on another filesystem, or another user's where the system guards that. */
  assess(name: StagedName): Promise<undefined | LocationFault>;

  /**
   * The staged file becomes the object, whole, durable, under its new name alone. It has to be as it was examined (`mismatch`). Never replaces an object.
   */
  adopt(name: StagedName, as: ObjectName, examined: Staged): Promise<ObjectStat | LocationFault>;

  /**
   * The object gets that name too, for one restore, after all its bytes were read and found to have this length and CRC: `mismatch` where they have not. Engines that
   * restore a damaged file take it without a word, or end.
   */
  expose(
    object: ObjectName,
    as: StagedName,
    expect: Expectation,
  ): Promise<undefined | LocationFault>;

  /** Takes the name away, with the file if it was its only one. True if it was there. */
  remove(name: StagedName): Promise<boolean | LocationFault>;

  /**
   * Removes what has a staged name and has not changed for this long: what saves and restores left behind that a crash cut off. How many there were. Anything else in the folder is
   * somebody else's, and stays.
   */
  sweep(olderThanMs: number): Promise<number | LocationFault>;
}
