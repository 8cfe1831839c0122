/**
 * Brings segments to the fastest tier with room: further copies of them, made ahead of whoever reads them. One copy of a segment at a
 * time, few at once, all within one bandwidth, each checked against its CRC as it is made; one that nobody wants any more is
 * cancelled. Nothing is evicted for the sake of a read: where there is no room, the keeper is asked for what is worth least.
 */
import type { Clock, Scheduler } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";
import type { CopyPace } from "../copy-pace.ts";
import type { Copier } from "../copier.ts";
import { chooseCopy, copiesOf, isFaster } from "../copies.ts";
import { copiesRoom } from "../copies-room.ts";
import { HUNG, type HungLocations } from "../hung-locations.ts";
import { type Location, LocationFault, roomIn, type Tier } from "../location.ts";
import type { Reach } from "../reach.ts";
import { COPIES_LIMIT, type Segment } from "../records.ts";
import type { Pressure } from "../space.ts";
import { type CopyPlace, CopyTimes } from "./copy-times.ts";
import { Flight, type FlightResult, type Left } from "./flight.ts";
import { Flights } from "./flights.ts";

export interface ReadaheadLimits {
  readonly copiesAtOnce: number;
  /** Copies under way or waiting for their turn; beyond it nothing is brought. */
  readonly queueLimit: number;
}

export interface ReadaheadOptions {
  readonly catalog: Pick<Catalog, "locationUsage">;
  readonly shelves: Shelves;
  readonly copier: Pick<Copier, "copy">;
  /** That the copier keeps to. */
  readonly pace: Pick<CopyPace, "msOf">;
  readonly hung: HungLocations;
  readonly clock: Clock & Scheduler;
  readonly limits: ReadaheadLimits;
  /** Returns at once and does not throw. */
  readonly pressed: (pressure: Pressure) => void;
  readonly observer: ReadaheadObserver;
}

/** Where copies are put. */
export interface Shelf {
  readonly location: Location;
  /** Left free for what engines store. */
  readonly headroomBytes: number;
}

export interface Shelves {
  /** Of all, also of those that no engine reaches. */
  location(id: string): Location | undefined;
  /** Ids; undefined: of all that engines reach. */
  within(reach: Reach | undefined): Reach;
  /** Those in reach, best first. */
  fastest(reach: Reach | undefined): readonly Shelf[];
}

/** Told at once; must not throw. */
export interface ReadaheadObserver {
  brought(flight: EndedFlight): void;
  /** A segment that stays where it is. */
  left(reason: "no_room" | "queue_full"): void;
  failed(error: unknown): void;
}

export interface EndedFlight {
  readonly from: Tier;
  readonly to: Tier;
  /** That were copied. */
  readonly bytes: number;
  readonly result: FlightResult;
}

export interface BringRequest {
  readonly segments: readonly Segment[];
  /** Of who is to read them. Undefined: all that engines reach. */
  readonly reach: Reach | undefined;
  /** Where copies may be put, if that is less. */
  readonly to?: Reach;
  /** Up to where the queue may be filled; default 1, all of it. */
  readonly queueShare?: number;
}

/** A segment as it was found. */
export interface Sighting {
  readonly segment: Segment;
  /** Where the fastest copy in reach lies; undefined: there is none. */
  readonly reached: CopyPlace | undefined;
  /** Nothing that is in reach is faster. */
  readonly isNear: boolean;
  /** To somewhere faster. Undefined: it stays where it is. */
  readonly flight: Flight | undefined;
}

/** What one caller wants brought. Ends once, by `keep` or by `leave`. */
export interface Errand {
  /** In the order of the segments. */
  readonly sightings: readonly Sighting[];
  /** What is under way goes on, for whoever comes next. */
  keep(): void;
  /** What nobody else wants is cancelled. */
  leave(): void;
}

/** A place that takes longer to say how much is free is done without: a turn may be waiting for the others. */
const ROOM_MS = 100;

export class Readahead {
  readonly #options: ReadaheadOptions;
  readonly #times = new CopyTimes();
  readonly #flights = new Flights();
  readonly #running = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: ReadaheadOptions) {
    this.#options = options;
  }

  /** Under way or waiting. */
  get load(): { readonly copies: number; readonly bytes: number } {
    const bytes = [...this.#flights].reduce((sum, { leftBytes }) => sum + leftBytes, 0);
    return { copies: this.#flights.size, bytes };
  }

  /** Begins in the order of the segments, before what nobody waits for. Rejects where the catalog does. */
  async bring(request: BringRequest): Promise<Errand> {
    const { shelves, limits } = this.#options;
    const { reach, to = reach, segments, queueShare = 1 } = request;
    const known = new Map(shelves.fastest(to).map((shelf) => [shelf.location.profile.id, shelf]));
    const readable = shelves.within(reach);
    const seen = segments.map((segment) => this.#see(segment, readable, known));
    const wanted = new Set(seen.flatMap(({ candidates }) => candidates));
    const rooms = await this.#roomsOf([...wanted]);
    // Nothing is awaited from here on, so no other caller begins the same.
    const promised = this.#promised(rooms);
    const queueLimit = limits.queueLimit * queueShare;
    const sightings = seen.map((each) => this.#send(each, promised, queueLimit));
    this.#begin();
    return errandOf(sightings);
  }

  /** For each of the flights, how long it takes until it and those before it have ended. */
  leftMs(flights: readonly Flight[]): Left[] {
    const { clock, limits, pace } = this.#options;
    const nowMs = clock.now();
    const ends = new Map<Flight, Left>();
    let [count, bytes, sumMs, isKnown] = [0, 0, 0, true];
    for (const flight of this.#flights.inTurn()) {
      const own = flight.leftMs(this.#times, nowMs);
      count++;
      bytes += flight.leftBytes;
      sumMs += own.ms;
      isKnown &&= own.isKnown;
      const inTurnMs = sumMs / Math.min(count, limits.copiesAtOnce);
      const ms = Math.max(own.ms, inTurnMs, pace.msOf(bytes));
      ends.set(flight, { ms, isKnown });
    }
    let last: Left = { ms: 0, isKnown: true };
    return flights.map((flight) => {
      const own = ends.get(flight) ?? { ms: 0, isKnown: true };
      last = { ms: Math.max(last.ms, own.ms), isKnown: last.isKnown && own.isKnown };
      return last;
    });
  }

  /** By whoever reads it from there, as this does. Undefined: nothing is known. */
  readMs(from: CopyPlace, flight: Flight): number | undefined {
    return this.#times.msOf({ ...flight.way, from }, flight.segment.bytes);
  }

  /** Idempotent. Cancels what is under way, and waits for it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const flight of this.#flights) flight.cancel();
    await Promise.all(this.#running);
  }

  #see(segment: Segment, readable: Reach, shelves: ReadonlyMap<string, Shelf>): Seen {
    const tierOf = (id: string) => (readable.has(id) ? this.#tierOf(id) : undefined);
    const copy = chooseCopy(segment, { tierOf, load: () => 0 });
    const reached = copy && this.#placeOf(copy);
    const has = new Set(copiesOf(segment).map(({ location }) => location));
    const isFull = has.size >= COPIES_LIMIT;
    const candidates = [...shelves.values()].filter(
      ({ location: { profile } }) =>
        !isFull &&
        !has.has(profile.id) &&
        (reached === undefined || isFaster(profile.tier, reached.tier)),
    );
    return { segment, reached, candidates };
  }

  #send(seen: Seen, rooms: Map<string, number>, queueLimit: number): Sighting {
    const { pressed, hung, observer } = this.#options;
    const { segment, reached, candidates } = seen;
    const [first] = candidates;
    const isNear = first === undefined && reached !== undefined;
    const stays = { segment, reached, isNear, flight: undefined };
    const tierOf = (id: string) => (hung.isHung(id) ? undefined : this.#tierOf(id));
    const source = chooseCopy(segment, { tierOf, load: () => 0 });
    const from = source && this.#placeOf(source);
    if (first === undefined || source === undefined || from === undefined) return stays;
    const joined = this.#flights
      .ofSegment(segment.id)
      .find(
        ({ to, signal }) =>
          !signal.aborted &&
          candidates.some(({ location }) => location.profile.id === to.profile.id),
      );
    if (joined !== undefined) return { ...stays, flight: claimed(joined) };
    const roomAt = ({ location: { profile } }: Shelf) => rooms.get(profile.id) ?? -Infinity;
    const shelf = candidates.find((each) => roomAt(each) >= segment.bytes);
    if (shelf === undefined) {
      const full = candidates.find(({ location: { profile } }) => rooms.has(profile.id));
      const location = full?.location.profile.id;
      if (location !== undefined) pressed({ location, priority: "reading", bytes: segment.bytes });
      observer.left("no_room");
      return stays;
    }
    if (this.#isClosed || this.#flights.size >= queueLimit) {
      observer.left("queue_full");
      return stays;
    }
    rooms.set(shelf.location.profile.id, roomAt(shelf) - segment.bytes);
    const flight = new Flight({ segment: source, from, to: shelf.location });
    this.#flights.add(flight);
    flight.signal.addEventListener("abort", () => this.#drop(flight));
    return { ...stays, flight: claimed(flight) };
  }

  /** What is left of the rooms beside all that is on its way. What is under way is booked, and no copy yet. */
  #promised(rooms: ReadonlyMap<string, Rooms>): Map<string, number> {
    const left = new Map([...rooms].map(([id, each]) => [id, { ...each }]));
    for (const { to, segment, isBegun } of this.#flights) {
      const room = left.get(to.profile.id);
      if (room === undefined) continue;
      if (!isBegun) room.any -= segment.bytes;
      room.copies -= segment.bytes;
    }
    return new Map([...left].map(([id, { any, copies }]) => [id, Math.min(any, copies)]));
  }

  /** Of those that answer. */
  async #roomsOf(shelves: readonly Shelf[]): Promise<ReadonlyMap<string, Rooms>> {
    const { catalog, hung } = this.#options;
    const rooms = new Map<string, Rooms>();
    const asked = shelves.map(async ({ location, headroomBytes }) => {
      const { profile } = location;
      const freeBytes = await hung.ask(location, () => location.freeBytes(), ROOM_MS);
      if (freeBytes === HUNG || freeBytes instanceof LocationFault) return;
      const books = { ...(await catalog.locationUsage(profile.id)), freeBytes };
      const any = roomIn(profile, books) - headroomBytes;
      rooms.set(profile.id, { any, copies: copiesRoom(profile, books) });
    });
    await Promise.all(asked);
    return rooms;
  }

  #begin(): void {
    for (const flight of this.#flights.inTurn()) {
      if (this.#running.size >= this.#options.limits.copiesAtOnce) return;
      if (flight.isBegun) continue;
      flight.begin(this.#options.clock.now());
      const running = this.#copy(flight).finally(() => {
        this.#running.delete(running);
        this.#begin();
      });
      this.#running.add(running);
    }
  }

  async #copy(flight: Flight): Promise<void> {
    const { copier, clock, observer } = this.#options;
    const { segment, to, signal, way } = flight;
    const startMs = clock.now();
    const progress = (bytes: number) => flight.copied(bytes);
    const result = await copier
      .copy(segment, to, { signal, progress })
      .catch((reason: unknown): FlightResult => {
        observer.failed(reason);
        return "failed";
      });
    const bytes = result === "copied" ? segment.bytes : flight.copiedBytes;
    this.#times.add(way, bytes, clock.now() - startMs);
    this.#end(flight, { bytes, result });
  }

  /** One that is under way ends by itself. */
  #drop(flight: Flight): void {
    if (flight.isBegun) return;
    this.#end(flight, { bytes: 0, result: "cancelled" });
  }

  #end(flight: Flight, { bytes, result }: Pick<EndedFlight, "bytes" | "result">): void {
    const { from, to } = flight.way;
    this.#flights.delete(flight);
    flight.end(result);
    this.#options.observer.brought({ from: from.tier, to: to.tier, bytes, result });
  }

  /** Where the copy lies that the segment is in. */
  #placeOf({ file }: Segment): CopyPlace | undefined {
    return this.#options.shelves.location(file.location)?.profile;
  }

  #tierOf(id: string): Tier | undefined {
    return this.#options.shelves.location(id)?.profile.tier;
  }
}

interface Rooms {
  any: number;
  /** That copies for reading may take. */
  copies: number;
}

interface Seen {
  readonly segment: Segment;
  readonly reached: CopyPlace | undefined;
  /** Where it would be read faster, best first. */
  readonly candidates: readonly Shelf[];
}

function claimed(flight: Flight): Flight {
  flight.claim();
  return flight;
}

function errandOf(sightings: readonly Sighting[]): Errand {
  let open = sightings.flatMap(({ flight }) => flight ?? []);
  const end = (how: (flight: Flight) => void): void => {
    const ending = open;
    open = [];
    for (const flight of ending) how(flight);
  };
  return {
    sightings,
    keep: () => end((flight) => flight.keep()),
    leave: () => end((flight) => flight.leave()),
  };
}
