/**
 * Goes slowly over all objects of each location: discards what puts, saves and restores left unfinished long ago, and counts what the
 * catalog does not know. Such orphans are not removed here, since nobody knows whose they are: a service over an empty or wrong catalog would remove
 * everything. `check.ts` does it, asked by a person.
 */
import type { Clock } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";
import { type Leftover, type ListedObject, type Location, LocationFault } from "../location.ts";
import type { KeeperObserver, StockTake } from "./keeper-observer.ts";

export interface StockTakerOptions {
  readonly catalog: Catalog;
  readonly locations: readonly Location[];
  readonly clock: Clock;
  readonly observer: Pick<KeeperObserver, "stockTaken" | "orphan">;
  /** Entries of one page; one page of each location is looked at in a pass. */
  readonly limit: number;
  /** From the start of a round to the start of the next, at least. */
  readonly intervalMs: number;
  /** What a put left is dead when it is older: more than the longest put takes. */
  readonly leftoverMs: number;
}

/**
 * What is staged and has not changed for an hour nobody is at any more: an engine saves or restores in seconds, at the end of which
 * it is moved or removed.
 */
const STAGED_MS = 3_600_000;

type Counts = Omit<StockTake, "location">;

const NOTHING: Counts = {
  objects: 0,
  orphans: 0,
  orphanBytes: 0,
  leftovers: 0,
  discarded: 0,
  foreign: 0,
};

interface Round {
  readonly location: Location;
  counts: Counts;
  cursor: string | undefined;
  nextMs: number;
}

export class StockTaker {
  readonly #options: StockTakerOptions;
  readonly #rounds: readonly Round[];

  constructor(options: StockTakerOptions) {
    this.#options = options;
    const nextMs = options.clock.now();
    this.#rounds = options.locations.map((location) => ({
      location,
      counts: NOTHING,
      cursor: undefined,
      nextMs,
    }));
  }

  /** `nowMs`: wall clock, against which the age of what puts left is judged. Throws a location's fault, after the others. */
  async pass(nowMs: number): Promise<void> {
    const faults: LocationFault[] = [];
    for (const round of this.#rounds) {
      if (round.cursor === undefined && this.#options.clock.now() < round.nextMs) continue;
      const fault = await this.#page(round, nowMs);
      if (fault !== undefined) faults.push(fault);
    }
    if (faults[0] !== undefined) throw faults[0];
  }

  async #page(round: Round, nowMs: number): Promise<LocationFault | undefined> {
    const { clock, limit, intervalMs, observer } = this.#options;
    const { location, cursor } = round;
    const page = await location.list(cursor, limit);
    if (page instanceof LocationFault) return page;
    if (cursor === undefined) round.nextMs = clock.now() + intervalMs;
    // Left to the next round where it fails: there may be nothing wrong with the objects.
    const swept = cursor === undefined ? await location.staging?.sweep(STAGED_MS) : undefined;
    const left = typeof swept === "number" ? swept : 0;
    const counts = { ...(cursor === undefined ? NOTHING : round.counts) };
    counts.leftovers += left;
    counts.discarded += left;
    counts.objects += page.objects.length;
    counts.foreign += page.foreign.length;
    counts.leftovers += page.leftovers.length;
    for (const leftover of page.leftovers) {
      if (await this.#isDiscarded(location, leftover, nowMs)) counts.discarded++;
    }
    for (const object of page.objects) {
      if (!(await this.#isOrphan(location, object))) continue;
      counts.orphans++;
      counts.orphanBytes += object.stat.sizeBytes;
      observer.orphan(location.profile.id, object.name);
    }
    round.counts = counts;
    round.cursor = page.next;
    if (page.next === undefined) {
      observer.stockTaken({ location: location.profile.id, ...counts });
    }
    return swept instanceof LocationFault ? swept : undefined;
  }

  /** One that could not be discarded is met again in the next round. */
  async #isDiscarded(location: Location, { id, stat }: Leftover, nowMs: number): Promise<boolean> {
    if (nowMs - stat.modifiedAtMs <= this.#options.leftoverMs) return false;
    return (await location.discard(id)) === true;
  }

  /** A record is there before its object and after it, so only one that has gone since the page was read looks the same. */
  async #isOrphan(location: Location, { name }: ListedObject): Promise<boolean> {
    const file = await this.#options.catalog.file({ location: location.profile.id, name });
    if (file !== undefined) return false;
    const stat = await location.stat(name);
    return stat !== undefined && !(stat instanceof LocationFault);
  }
}
