/** What brings KV near before it is read, and where turns wait for it. */
import type { Closers } from "./closers.ts";
import { systemClock } from "./clock.ts";
import type { KvConfig } from "./config/kv-config.ts";
import type { Upkeep } from "./compose-upkeep.ts";
import { Gate, type GateObserver } from "./kv/readahead/gate.ts";
import { Readahead, type ReadaheadObserver } from "./kv/readahead/readahead.ts";
import type { Pressure } from "./kv/space.ts";
import type { Places } from "./kv/turns/places.ts";
import { Prefetcher } from "./kv/turns/prefetcher.ts";
import { Settings, type SettingsOptions } from "./kv/turns/settings.ts";

export interface ReadaheadHalfOptions extends Pick<Upkeep, "copier" | "pace" | "hung"> {
  readonly kv: KvConfig;
  /** Of turns. */
  readonly known: SettingsOptions;
  readonly places: Places;
  readonly pressed: (pressure: Pressure) => void;
  readonly observer: ReadaheadObserver & GateObserver;
  readonly closers: Closers;
}

export interface ReadaheadHalf {
  readonly readahead: Readahead;
  readonly gate: Gate;
  readonly prefetcher: Prefetcher;
}

/** To be closed after the turns that pass the gate. */
export function openReadahead(options: ReadaheadHalfOptions): ReadaheadHalf {
  const { kv, known, places, copier, pace, hung, pressed, observer, closers } = options;
  const { catalog } = known;
  const readahead = new Readahead({
    catalog,
    shelves: places,
    copier,
    pace,
    hung,
    clock: systemClock,
    limits: kv.readahead,
    pressed,
    observer,
  });
  closers.add(() => readahead.close());
  const settings = new Settings(known);
  const prefetcher = new Prefetcher({ catalog, settings, places, readahead });
  closers.add(() => prefetcher.close());
  const gate = new Gate({ catalog, places, readahead, clock: systemClock, observer });
  return { readahead, gate, prefetcher };
}
