/** What runs beside the requests: the scrubber, and the keeper with those who make copies. */
import { crc32 } from "node:zlib";
import { systemClock, systemWallClock } from "./clock.ts";
import type { Closers } from "./closers.ts";
import type { KvStore } from "./compose-kv-store.ts";
import { createReplicator, type Reading } from "./compose-replicas.ts";
import { type KvConfig, scrubberPace } from "./config/kv-config.ts";
import { Copier } from "./kv/copier.ts";
import { CopyPace } from "./kv/copy-pace.ts";
import { HungLocations } from "./kv/hung-locations.ts";
import type { Replicator } from "./kv/popularity/replicator.ts";
import type { Places } from "./kv/turns/places.ts";
import { type Keeper, openKeeper } from "./kv/upkeep/keeper.ts";
import { scrubbedSegments } from "./kv/upkeep/scrubbed-segments.ts";
import { Scrubber } from "./kv/verify/scrubber.ts";
import type { SegmentChecker } from "./kv/verify/segment-checker.ts";
import type { KvObservers } from "./kv-observers.ts";

/** Segments that may wait to be scrubbed out of turn, and when a failed look at the catalog is tried again. */
const SCRUB_LIMITS = { soonLimit: 10_000, retryMs: 60_000 };
/** A copy is given up after this long. */
const COPY_MS = 600_000;
/** And after this long at one chunk: what it waits for hangs. */
const STALL_MS = 30_000;
/**
 * Node has four threads for all work with files, and an unlink on a slow disk keeps one of them until it is done: two of them are always
 * left to turns. Compaction reads and writes no more than this in one pass. At one pass in a second, stock of three million files is
 * taken within its interval.
 */
export const KEEPER_LIMITS = {
  unlinksAtOnce: 2,
  copyBytesPerPass: 64 * 1024 * 1024,
  leftoverMs: COPY_MS,
  stockIntervalMs: 3_600_000,
  stockEntries: 1_000,
};

export interface UpkeepParts extends KvStore {
  readonly observers: KvObservers;
  readonly checker: SegmentChecker;
  readonly places: Places;
  readonly reading: Reading;
  /** Of copies. */
  readonly newName: () => string;
  readonly closers: Closers;
}

export interface Upkeep {
  readonly scrubber: Scrubber;
  readonly keeper: Keeper;
  readonly copier: Copier;
  /** Of all copies that it makes for reading. */
  readonly pace: CopyPace;
  /** As those who ask locations in the background have found them. */
  readonly hung: HungLocations;
  readonly replicator: Replicator | undefined;
}

export function openUpkeep(
  kv: KvConfig,
  { catalog, locations, observers, checker, places, reading, newName, closers }: UpkeepParts,
): Upkeep {
  const scrubber = new Scrubber({
    ...scrubberPace(kv),
    ...SCRUB_LIMITS,
    clock: systemClock,
    crc32,
    segments: scrubbedSegments({ catalog, locations }),
    observer: observers.scrubber,
  });
  closers.add(() => scrubber.close());
  const { bytesPerSecond } = kv.readahead;
  const pace = new CopyPace({ bytesPerSecond, clock: systemClock });
  const hung = new HungLocations(systemClock);
  const copier = new Copier({
    catalog,
    locations,
    nowMs: systemWallClock,
    newName,
    scrubSoon: (ids) => scrubber.scrubSoon(ids),
    copyMs: COPY_MS,
    stallMs: STALL_MS,
    clock: systemClock,
    hung,
    pace,
  });
  const kept = kv.locations.flatMap(({ id, headroomBytes }) => {
    const location = locations.get(id);
    return location === undefined ? [] : [{ location, headroomBytes }];
  });
  const replicator = createReplicator(reading, {
    catalog,
    copier,
    checker,
    locations: kept,
    places,
    scrubSoon: (ids) => scrubber.scrubSoon(ids),
    hung,
    observer: observers.replicas,
  });
  const keeper = openKeeper({
    catalog,
    locations: kept,
    clock: systemClock,
    nowMs: systemWallClock,
    copier,
    hung,
    replicator,
    policy: { ...kv.keeper, ...KEEPER_LIMITS },
    observer: observers.keeper,
  });
  closers.add(() => keeper.close());
  return { scrubber, keeper, copier, pace, hung, replicator };
}
