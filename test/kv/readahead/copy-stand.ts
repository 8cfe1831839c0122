/** Readahead over places and copies that are only counted, and time in the test's hand. */
import type { CopyOptions, CopyResult } from "../../../src/kv/copier.ts";
import { CopyPace } from "../../../src/kv/copy-pace.ts";
import { HungLocations } from "../../../src/kv/hung-locations.ts";
import { copiesOf, withCopies } from "../../../src/kv/copies.ts";
import type { Location, ObjectName, Tier } from "../../../src/kv/location.ts";
import type { GeometryKey } from "../../../src/kv/model/geometry-key.ts";
import type { Reach } from "../../../src/kv/reach.ts";
import {
  type Errand,
  Readahead,
  type ReadaheadLimits,
  type Shelf,
} from "../../../src/kv/readahead/readahead.ts";
import type { Replica, Segment, SegmentId, TurnId } from "../../../src/kv/records.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";

export interface StandPlace {
  readonly id: string;
  readonly tier: Tier;
  /** Default true. */
  readonly engines?: boolean;
  /** Default more than anybody asks for. */
  readonly room?: number;
  /** Beside the room. Default as much. */
  readonly storedBytes?: number;
  readonly headroomBytes?: number;
  /** It never says how much is free. */
  readonly isHung?: boolean;
}

export interface StandLimits extends ReadaheadLimits {
  readonly bytesPerSecond: number;
}

export class CopyStand {
  readonly clock = new FakeClock();
  readonly readahead: Readahead;
  /** What was told, in order. */
  readonly seen: string[] = [];
  /** Copies that are being made now, and the most that ever were. */
  running = 0;
  most = 0;
  /** That a copy takes for each 1,000 bytes, beside its pace. */
  chunkMs = 10;
  /** What copies come to. */
  result: CopyResult = "copied";
  readonly hung = new HungLocations(this.clock);
  readonly #pace: CopyPace;
  readonly #places: readonly (StandPlace & Shelf)[];
  readonly #used = new Map<string, number>();

  constructor(
    places: readonly StandPlace[],
    { bytesPerSecond = 2 ** 40, ...limits }: Partial<StandLimits> = {},
  ) {
    this.#pace = new CopyPace({ clock: this.clock, bytesPerSecond });
    this.#places = places.map((place) => {
      const { id, tier, room = 2 ** 40, headroomBytes = 0, isHung = false } = place;
      const { storedBytes = room } = place;
      const profile = { id, tier, weight: 1, capacityBytes: room + storedBytes, freeFloorBytes: 0 };
      const freeBytes = () => (isHung ? new Promise<never>(() => {}) : Promise.resolve(2 ** 50));
      const location = { profile, freeBytes } as Partial<Location> as Location;
      return { ...place, storedBytes, location, headroomBytes };
    });
    this.readahead = new Readahead({
      catalog: {
        locationUsage: (location) => ({
          location,
          bookedBytes: this.#storedAt(location) + (this.#used.get(location) ?? 0),
          unwrittenBytes: 0,
          referencedBytes: 0,
          replicas: 0,
          replicaBytes: 0,
          idleBytes: 0,
        }),
      },
      shelves: {
        location: (id) => this.#places.find((place) => place.id === id)?.location,
        within: (reach) => new Set(this.#inReach(reach).map(({ id }) => id)),
        fastest: (reach) => {
          const reached = this.#inReach(reach);
          return ["memory", "disk", "remote"].flatMap((tier) =>
            reached.filter((place) => place.tier === tier),
          );
        },
      },
      copier: { copy: (segment, to, options) => this.#copy(segment, to, options) },
      pace: this.#pace,
      hung: this.hung,
      clock: this.clock,
      limits: { copiesAtOnce: 4, queueLimit: 100, ...limits },
      pressed: ({ location, priority, bytes }) =>
        this.seen.push(`pressed ${location} ${priority} ${bytes}`),
      observer: {
        brought: ({ from, to, bytes, result }) =>
          this.seen.push(`${result} ${bytes} from ${from} to ${to}`),
        left: (reason) => this.seen.push(`left ${reason}`),
        failed: (error) => this.seen.push(String(error)),
      },
    });
  }

  /** Copies have begun when this answers. */
  async bring(segments: readonly Segment[], reach?: Reach): Promise<Errand> {
    const errand = await this.readahead.bring({ segments, reach });
    await settle();
    return errand;
  }

  #storedAt(location: string): number {
    return this.#places.find(({ id }) => id === location)?.storedBytes ?? 0;
  }

  #inReach(reach: Reach | undefined): readonly (StandPlace & Shelf)[] {
    const open = this.#places.filter(({ engines = true }) => engines);
    return reach === undefined ? open : open.filter(({ id }) => reach.has(id));
  }

  async #copy(
    { bytes }: Segment,
    { profile }: Location,
    { signal = new AbortController().signal, progress }: CopyOptions = {},
  ): Promise<CopyResult> {
    this.running++;
    this.most = Math.max(this.most, this.running);
    this.#used.set(profile.id, (this.#used.get(profile.id) ?? 0) + bytes);
    let result = this.result;
    for (let left = bytes; left > 0 && result === "copied"; left -= 1_000) {
      const chunk = Math.min(left, 1_000);
      await this.#pace.pay(chunk, signal);
      if (signal.aborted) result = "cancelled";
      else await new Promise<void>((resolve) => this.clock.after(this.chunkMs, resolve));
      if (result === "copied") progress?.(chunk);
    }
    this.running--;
    return result;
  }
}

/** Of so many bytes, as many tokens, and copies at these places, of which the first is the first. */
export function segmentAt(
  id: string,
  places: readonly string[],
  { bytes = 1_000, tokenStart = 0 } = {},
): Segment {
  const copies = places.map((location): Replica => ({
    location,
    name: id as ObjectName,
    kvStart: 0,
  }));
  const bare: Segment = {
    id: id as SegmentId,
    tenant: "",
    turn: "turn" as TurnId,
    state: "durable",
    retentionClass: "standard",
    geometry: new Uint8Array(32) as GeometryKey,
    file: { location: "", name: id as ObjectName },
    replicas: [],
    tokenStart,
    tokenLength: bytes,
    kvStart: 0,
    bytes,
    chain: undefined,
    place: undefined,
    crc: 0,
    refs: 1,
    lastReadAtMs: 0,
    timesRead: 0,
    snapshot: undefined,
  };
  const segment = withCopies(bare, copies);
  if (segment === undefined || copiesOf(segment).length === 0) throw new Error("no copy at all");
  return segment;
}
