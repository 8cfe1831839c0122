/** The program's keeper over the large catalog, with its default limit, which counts what it did. */
import { systemClock } from "../../src/clock.ts";
import { kvSchema } from "../../src/config/kv-schema.ts";
import type { Catalog } from "../../src/kv/catalog.ts";
import { HungLocations } from "../../src/kv/hung-locations.ts";
import type { Location } from "../../src/kv/location.ts";
import { openKeeper } from "../../src/kv/upkeep/keeper.ts";

export interface BenchKeeperOptions {
  readonly catalog: Catalog;
  readonly location: Location;
  readonly nowMs: () => number;
}

export interface BenchKeeper {
  /** Sessions that it ended. */
  expired(): number;
  /** Files that it removed. */
  unlinked(): number;
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;
/** Short, so that it keeps up with what expires in each moment and not second by second. */
const INTERVAL_MS = 10;
/** Short, so that files of what is swept are unlinked in the same run. */
const QUARANTINE_MS = 1_000;

export function openBenchKeeper({ catalog, location, nowMs }: BenchKeeperOptions): BenchKeeper {
  const { limit } = kvSchema.shape.keeper.parse({});
  let [expired, unlinked] = [0, 0];
  const keeper = openKeeper({
    catalog,
    locations: [{ location, headroomBytes: 0 }],
    clock: systemClock,
    nowMs,
    hung: new HungLocations(systemClock),
    copier: { move: () => Promise.reject(new Error("nothing is compacted here")) },
    replicator: undefined,
    policy: {
      intervalMs: INTERVAL_MS,
      limit,
      quarantineMs: QUARANTINE_MS,
      unlinksAtOnce: 2,
      copyBytesPerPass: 0,
      leftoverMs: HOUR_MS,
      stockEntries: 1_000,
      stockIntervalMs: HOUR_MS,
    },
    observer: {
      swept: (report) => void (expired += report.expiredSessions),
      unlinked: ({ result }) => void (unlinked += Number(result === "removed")),
      evicted: () => undefined,
      compacted: () => undefined,
      stockTaken: () => undefined,
      orphan: () => undefined,
      failed: (part, reason) => {
        throw new Error(`the keeper failed: ${part}`, { cause: reason });
      },
      passEnded: () => undefined,
    },
  });
  return { expired: () => expired, unlinked: () => unlinked, close: () => keeper.close() };
}
