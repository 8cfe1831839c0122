/** Readahead as the service has it, over the locations of a bench. Says what it does, line by line. */
import { Copier } from "../../src/kv/copier.ts";
import { CopyPace } from "../../src/kv/copy-pace.ts";
import { HungLocations } from "../../src/kv/hung-locations.ts";
import type { Location } from "../../src/kv/location.ts";
import { Gate } from "../../src/kv/readahead/gate.ts";
import { Readahead, type ReadaheadLimits } from "../../src/kv/readahead/readahead.ts";
import type { Pressure } from "../../src/kv/space.ts";
import type { Places } from "../../src/kv/turns/places.ts";
import { Prefetcher } from "../../src/kv/turns/prefetcher.ts";
import { Settings, type SettingsOptions } from "../../src/kv/turns/settings.ts";
import { unhurriedCopies } from "./unhurried-copies.ts";

export interface BenchReadaheadLimits extends ReadaheadLimits {
  readonly bytesPerSecond: number;
}

/** No copy waits for its turn, or for its pace. */
export const READAHEAD: BenchReadaheadLimits = {
  copiesAtOnce: 4,
  bytesPerSecond: 2 ** 40,
  queueLimit: 1_000,
};

export interface BenchReadaheadOptions extends SettingsOptions {
  readonly places: Places;
  readonly locations: readonly Location[];
  readonly newName: () => string;
  readonly limits: BenchReadaheadLimits;
  readonly pressed: (pressure: Pressure) => void;
  readonly tell: (line: string) => void;
}

export function openReadahead(options: BenchReadaheadOptions) {
  const { catalog, places, locations, nowMs, newName, scheduler: clock } = options;
  const { limits, pressed, tell } = options;
  const pace = new CopyPace({ clock, bytesPerSecond: limits.bytesPerSecond });
  const hung = new HungLocations(clock);
  const copier = new Copier({
    catalog,
    locations: new Map(locations.map((each) => [each.profile.id, each])),
    nowMs,
    newName,
    scrubSoon: () => {},
    copyMs: 600_000,
    ...unhurriedCopies(),
    hung,
    pace,
  });
  const readahead = new Readahead({
    catalog,
    shelves: places,
    copier,
    pace,
    hung,
    clock,
    limits,
    pressed,
    observer: {
      brought: ({ from, to, result }) => tell(`brought ${from} ${to} ${result}`),
      left: (reason) => tell(`left ${reason}`),
      failed: (error) => tell(`readahead failed ${String(error)}`),
    },
  });
  const observer = {
    held: ({ outcome, heldMs }: { outcome: string; heldMs: number }) =>
      tell(`held ${outcome} ${heldMs}`),
  };
  return {
    readahead,
    gate: new Gate({ catalog, places, readahead, clock, observer }),
    prefetcher: new Prefetcher({ catalog, settings: new Settings(options), places, readahead }),
  };
}
