/**
 * The copies of a segment, and which of them is read. A segment is **in a copy** when that one stands as its `file` and `kvStart`
 * and the others as its replicas: it reads like one that has no other, so whoever verifies, leases or names the bytes of a segment
 * needs to know of one copy only. The order of copies is kept by the catalog; what is in another than the first is never recorded.
 */
import type { Tier } from "./location.ts";
import { type FileRef, isSameFile, type Replica, type Segment } from "./records.ts";

type Copied = Pick<Segment, "file" | "kvStart" | "replicas">;

/** The first one, then the others by age. */
export function copiesOf({ file, kvStart, replicas }: Copied): readonly Replica[] {
  const { location, name } = file;
  return [{ location, name, kvStart }, ...replicas];
}

/** What the segment is left with; undefined if there is none. */
export function withCopies<S extends Copied>(
  segment: S,
  [first, ...replicas]: readonly Replica[],
): S | undefined {
  if (first === undefined) return undefined;
  const { location, name, kvStart } = first;
  return { ...segment, file: { location, name }, kvStart, replicas };
}

/** The segment in its copy in that file; undefined if it has none there. */
export function inFile<S extends Copied>(segment: S, file: FileRef): S | undefined {
  const copies = copiesOf(segment);
  const copy = copies.find((each) => isSameFile(each, file));
  return copy && withCopies(segment, [copy, ...copies.filter((each) => each !== copy)]);
}

/** The segment in its copy at that location; undefined if it has none there. */
export function atLocation<S extends Copied>(segment: S, location: string): S | undefined {
  const copy = copiesOf(segment).find((each) => each.location === location);
  return copy && inFile(segment, copy);
}

export function isAtAny(segment: Copied, locations: ReadonlySet<string>): boolean {
  return copiesOf(segment).some(({ location }) => locations.has(location));
}

export interface CopyChoice {
  /** Undefined where nothing is to be read: the location is not there, or not reached. */
  readonly tierOf: (location: string) => Tier | undefined;
  /** How busy the location is with reading, in whatever unit: the least is preferred. */
  readonly load: (location: string) => number;
}

const SPEED: Readonly<Record<Tier, number>> = { memory: 0, disk: 1, remote: 2 };

export function isFaster(tier: Tier, than: Tier): boolean {
  return SPEED[tier] < SPEED[than];
}

/**
 * The segment in each copy that may be read, best first: the fastest tier, then the least load, then the location's id. So equal
 * questions have equal answers.
 */
export function rankCopies<S extends Copied>(segment: S, { tierOf, load }: CopyChoice): S[] {
  return copiesOf(segment)
    .flatMap((copy) => {
      const tier = tierOf(copy.location);
      return tier === undefined ? [] : [{ copy, speed: SPEED[tier], load: load(copy.location) }];
    })
    .toSorted(
      (a, b) =>
        a.speed - b.speed || a.load - b.load || (a.copy.location < b.copy.location ? -1 : 1),
    )
    .flatMap(({ copy }) => inFile(segment, copy) ?? []);
}

/** The first of `rankCopies`; undefined if none may be read. */
export function chooseCopy<S extends Copied>(segment: S, choice: CopyChoice): S | undefined {
  return rankCopies(segment, choice)[0];
}
