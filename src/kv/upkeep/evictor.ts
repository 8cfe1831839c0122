/**
 * Makes room where it was asked for, and only there. What waits in quarantine counts as room already, or each pass would evict
 * anew until the first file is unlinked. A copy at a location that is not there now makes no other one spare: what is pinned stays, and
 * what only a reader wants room for, until the location is back.
 */
import type { Catalog } from "../catalog.ts";
import { copiesRoom } from "../copies-room.ts";
import { HUNG, type HungLocations } from "../hung-locations.ts";
import { type Location, LocationFault, roomIn } from "../location.ts";
import type { Pressure } from "../space.ts";
import type { KeeperObserver } from "./keeper-observer.ts";

export interface KeptLocation {
  readonly location: Location;
  /** What is made free for reservations to come, once one found less. */
  readonly headroomBytes: number;
}

export interface EvictorOptions {
  readonly catalog: Catalog;
  readonly locations: readonly KeptLocation[];
  readonly observer: Pick<KeeperObserver, "evicted">;
  readonly hung: HungLocations;
  /** As in `EvictRequest`. */
  readonly limit: number;
}

/** A location that takes longer to answer is not there. */
const ANSWER_MS = 5_000;

export class Evictor {
  readonly #options: EvictorOptions;
  /** By location and priority: what is asked for little is never taken from those that are worth more. */
  readonly #pressures = new Map<string, Pressure>();

  constructor(options: EvictorOptions) {
    this.#options = options;
  }

  press({ location, priority, bytes }: Pressure): void {
    const at = keyOf({ location, priority });
    const known = this.#pressures.get(at)?.bytes ?? 0;
    this.#pressures.set(at, { location, priority, bytes: Math.max(bytes, known) });
  }

  /** One transaction. True when there is more to be evicted. */
  async step(nowMs: number): Promise<boolean> {
    const [pressure] = this.#pressures.values();
    if (pressure === undefined) return false;
    this.#pressures.delete(keyOf(pressure));
    const isMet = await this.#relieve(pressure, nowMs);
    if (!isMet) this.press(pressure);
    return this.#pressures.size > 0;
  }

  /** False when the limit cut it short. */
  async #relieve(pressure: Pressure, nowMs: number): Promise<boolean> {
    const { catalog, locations, hung, limit, observer } = this.#options;
    const { location: id, priority } = pressure;
    const kept = locations.find(({ location }) => location.profile.id === id);
    if (kept === undefined) return true;
    const { location } = kept;
    const freeBytes = await hung.ask(location, () => location.freeBytes(), ANSWER_MS);
    if (freeBytes === HUNG) throw new LocationFault("io", `${id} does not answer`);
    if (freeBytes instanceof LocationFault) throw freeBytes;
    const usage = await catalog.locationUsage(id);
    const books = { ...usage, freeBytes };
    const room = roomIn(location.profile, books) + usage.idleBytes;
    const more = Math.max(kept.headroomBytes, pressure.bytes) - room;
    const isReading = priority === "reading";
    const moreCopies = isReading ? pressure.bytes - copiesRoom(location.profile, books) : 0;
    const bytes = Math.max(more, moreCopies);
    if (bytes <= 0) return true;
    const there = await this.#there();
    const asked = { location: id, bytes, priority, locations: there, nowMs, limit };
    const report = await catalog.evict(asked);
    observer.evicted({ ...report, location: id, cause: pressure.bytes > 0 ? "full" : "headroom" });
    return !(report.isShort && report.isFull);
  }

  /** Ids of the locations that answer. */
  async #there(): Promise<ReadonlySet<string>> {
    const { locations, hung } = this.#options;
    const asked = locations.map(async ({ location }) =>
      (await hung.isThere(location, ANSWER_MS)) ? [location.profile.id] : [],
    );
    return new Set((await Promise.all(asked)).flat());
  }
}

function keyOf({ location, priority }: Pick<Pressure, "location" | "priority">): string {
  return `${priority} ${location}`;
}
