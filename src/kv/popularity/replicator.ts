/**
 * Gives segments that are read often further copies, and takes them away again, beside the passes of the keeper. After a change a segment
 * is left alone for a while, and so is a location after somebody found too little room there.
 */
import type { Clock } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";
import type { Copier, CopyResult } from "../copier.ts";
import { HUNG, type HungLocations } from "../hung-locations.ts";
import { chooseCopy, copiesOf, inFile, isFaster } from "../copies.ts";
import { type Location, LocationFault, roomIn, type Tier } from "../location.ts";
import {
  COPIES_LIMIT,
  isSameFile,
  type Replica,
  type Segment,
  type SegmentId,
} from "../records.ts";
import type { DropReplicaOutcome, Pressure } from "../space.ts";
import type { Places } from "../turns/places.ts";
import type { SegmentChecker } from "../verify/segment-checker.ts";
import { CoolDowns } from "./cool-downs.ts";
import { copyChange, type CopyChange, type DropCause, type MakeCause } from "./copy-change.ts";
import { Looks } from "./looks.ts";
import type { ReadLoads } from "./read-loads.ts";
import type { ReadRates } from "./read-rates.ts";
import type { CopyRules } from "./target-copies.ts";

export interface ReplicaPolicy extends CopyRules {
  /** After a change of a segment's copies, until the next. */
  readonly coolDownMs: number;
  /** Replicas of what nobody has read for so long go, and those that were made before that. Wall clock. */
  readonly idleMs: number;
  /** That one pass copies; the last copy may exceed it. */
  readonly bytesPerPass: number;
}

/** Where replicas may be. */
export interface ReplicaLocation {
  readonly location: Location;
  /** Stays free of replicas, for those who store. */
  readonly headroomBytes: number;
}

export interface ReplicaMade {
  readonly segment: SegmentId;
  readonly location: string;
  readonly bytes: number;
  readonly cause: MakeCause;
  readonly result: CopyResult;
}

/** `unsure`: the other copies are not all whole, so this one stays. */
export type DropResult = DropReplicaOutcome | "unsure";

export interface ReplicaDropped {
  readonly segment: SegmentId;
  readonly location: string;
  readonly bytes: number;
  readonly cause: DropCause;
  readonly result: DropResult;
}

/** Returns at once and does not throw. */
export interface ReplicaObserver {
  made(end: ReplicaMade): void;
  dropped(end: ReplicaDropped): void;
}

export interface ReplicatorOptions {
  readonly catalog: Pick<
    Catalog,
    "segment" | "nextSegment" | "file" | "locationUsage" | "dropReplica"
  >;
  readonly copier: Pick<Copier, "copy">;
  readonly checker: Pick<SegmentChecker, "look" | "check">;
  /** All that there are. */
  readonly locations: readonly ReplicaLocation[];
  readonly places: Pick<Places, "within" | "asGoodAs">;
  readonly rates: ReadRates;
  readonly loads: Pick<ReadLoads, "load">;
  readonly clock: Clock;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** Reads these before others. */
  readonly scrubSoon: (ids: readonly SegmentId[]) => void;
  readonly hung: HungLocations;
  readonly policy: ReplicaPolicy;
  readonly observer: ReplicaObserver;
}

/** What says nothing against the place where the copy was to be. */
const FAULTLESS: ReadonlySet<CopyResult> = new Set([
  "copied",
  "present",
  "gone",
  "cancelled",
  "unreadable",
  "source_hung",
]);
/** Longer than a segment is left alone after a copy that failed, so that its next one goes elsewhere. */
const FAILED_COOL_DOWNS = 2;
/** A place that takes longer to say how much is free gets no copy now; and one that takes so long to show a copy, reading it perhaps, has none. */
const [ANSWER_MS, CHECK_MS] = [5_000, 60_000];

export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #locations: ReadonlyMap<string, ReplicaLocation>;
  /** Ids of those that engines read. */
  readonly #readable: ReadonlySet<string>;
  readonly #looks: Looks;
  readonly #changed: CoolDowns<SegmentId>;
  readonly #full: CoolDowns<string>;
  /** Others are asked before these: nothing is read there, so they would be the least busy of all. */
  readonly #failed: CoolDowns<string>;

  constructor(options: ReplicatorOptions) {
    const { clock, policy, locations, places } = options;
    const { readsPerSecondPerCopy: readsPerSecond } = policy;
    this.#options = options;
    this.#locations = new Map(locations.map((each) => [each.location.profile.id, each]));
    this.#readable = places.within(undefined);
    this.#looks = new Looks({ ...options, readsPerSecond });
    this.#changed = new CoolDowns(clock, policy.coolDownMs);
    this.#full = new CoolDowns(clock, policy.coolDownMs);
    this.#failed = new CoolDowns(clock, FAILED_COOL_DOWNS * policy.coolDownMs);
  }

  /** No replica is made there for a while. */
  pressed({ location }: Pick<Pressure, "location">): void {
    this.#full.begin(location);
  }

  /** It is durable now: where everything has more copies than one, it gets them in the next passes. */
  stored(id: SegmentId): void {
    if (this.#options.policy.min > 1) this.#looks.stored(id);
  }

  /** Rejects where the catalog does. Not for two at a time. */
  async pass(signal: AbortSignal): Promise<void> {
    const pass = { leftBytes: this.#options.policy.bytesPerPass, signal };
    for await (const id of this.#looks.pass(() => pass.leftBytes > 0)) {
      if (signal.aborted) return;
      await this.#tend(id, pass);
    }
  }

  /** Makes all copies that there are too few of, or drops one that is too many. */
  async #tend(id: SegmentId, pass: Pass): Promise<void> {
    for (let isFirst = true; !pass.signal.aborted; isFirst = false) {
      const segment = await this.#look(id);
      if (segment === undefined || (isFirst && this.#changed.isCooling(id))) return;
      const change = this.#changeOf(segment);
      if (change?.kind === "drop" && isFirst) await this.#drop(segment, change);
      if (change?.kind !== "make" || pass.leftBytes <= 0) return;
      if (!(await this.#make(segment, change, pass))) return;
    }
  }

  async #look(id: SegmentId): Promise<Segment | undefined> {
    const { catalog, rates } = this.#options;
    const segment = await catalog.segment(id);
    const isThere = segment?.state === "durable";
    this.#looks.found(id, isThere && segment.replicas.length > 0);
    if (!isThere) rates.forget(id);
    return isThere ? segment : undefined;
  }

  #changeOf(segment: Segment): CopyChange | undefined {
    const { rates, policy, nowMs } = this.#options;
    const seen = {
      segment,
      tierOf: (id: string) => (this.#readable.has(id) ? this.#tierOf(id) : undefined),
      readsPerSecond: rates.readsPerSecond(segment.id),
      isWarm: rates.isWarm,
      isIdle: segment.lastReadAtMs + policy.idleMs <= nowMs(),
      isSpare: (copy: Replica) => this.#isSpare(segment, copy),
    };
    return copyChange(seen, policy);
  }

  /** Of engines that do not reach the same, each may have brought a copy to where it reads. */
  #isSpare(segment: Segment, copy: Replica): boolean {
    const equal = this.#options.places.asGoodAs(copy.location);
    const tier = this.#tierOf(copy.location);
    return copiesOf(segment).some(
      ({ location: id }) => id !== copy.location && equal.has(id) && this.#tierOf(id) === tier,
    );
  }

  /** False when nothing more can be made now. */
  async #make(segment: Segment, { cause, within }: Make, pass: Pass): Promise<boolean> {
    const { copier, hung, loads, observer } = this.#options;
    const to = await this.#roomFor(segment, within);
    const source = chooseCopy(segment, {
      tierOf: (id) => (hung.isHung(id) ? undefined : this.#tierOf(id)),
      load: (id) => loads.load(id),
    });
    if (to === undefined || source === undefined) return false;
    this.#changed.begin(segment.id);
    const result = await copier.copy(source, to, { signal: pass.signal });
    const { id, bytes } = segment;
    pass.leftBytes -= bytes;
    if (!FAULTLESS.has(result)) this.#failed.begin(to.profile.id);
    observer.made({ segment: id, location: to.profile.id, bytes, cause, result });
    return result === "copied";
  }

  /** Where copies came to nothing lately last, then the fastest tier first, in each the location that is read least. */
  async #roomFor(segment: Segment, within: Tier | undefined): Promise<Location | undefined> {
    const { catalog, hung } = this.#options;
    const copies = copiesOf(segment);
    if (copies.length >= COPIES_LIMIT) return undefined;
    const held = new Set(copies.map(({ location }) => location));
    const candidates = [...this.#asGoodAs(copies)]
      .filter((id) => !held.has(id) && !this.#full.isCooling(id))
      .flatMap((id) => this.#locations.get(id) ?? [])
      .filter(({ location: { profile } }) => !within || !isFaster(within, profile.tier))
      .toSorted((a, b) => this.#compare(a.location, b.location));
    for (const { location, headroomBytes } of candidates) {
      const freeBytes = await hung.ask(location, () => location.freeBytes(), ANSWER_MS);
      if (freeBytes === HUNG || freeBytes instanceof LocationFault) continue;
      const usage = await catalog.locationUsage(location.profile.id);
      const room = roomIn(location.profile, { ...usage, freeBytes }) - headroomBytes;
      if (room >= segment.bytes) return location;
    }
    return undefined;
  }

  /** Ids of those that are of use to everybody who reads one of the copies. */
  #asGoodAs(copies: readonly Replica[]): ReadonlySet<string> {
    const { places } = this.#options;
    return new Set(copies.flatMap(({ location }) => [...places.asGoodAs(location)]));
  }

  async #drop(segment: Segment, { cause, copy }: Drop): Promise<void> {
    const { catalog, nowMs, policy, observer } = this.#options;
    if (cause === "idle") {
      const file = await catalog.file(copy);
      if (file === undefined || file.lastReservationEndMs + policy.idleMs > nowMs()) return;
    }
    this.#changed.begin(segment.id);
    const { id, bytes } = segment;
    const { location } = copy;
    const result = await this.#dropSafely(segment, copy);
    observer.dropped({ segment: id, location, bytes, cause, result });
  }

  /** Only where those that stay are as they were when they were checked, as many as there are to be at least. */
  async #dropSafely(segment: Segment, copy: Replica): Promise<DropResult> {
    const { catalog, policy, nowMs, scrubSoon } = this.#options;
    const others = copiesOf(segment).filter((each) => !isSameFile(each, copy));
    let whole = 0;
    for (const other of others) whole += Number(await this.#isWhole(segment, other));
    if (whole < policy.min) {
      scrubSoon([segment.id]);
      return "unsure";
    }
    const locations = new Set(this.#locations.keys());
    return catalog.dropReplica({ segment: segment.id, file: copy, locations, nowMs: nowMs() });
  }

  async #isWhole(known: Segment, copy: Replica): Promise<boolean> {
    const { checker, hung } = this.#options;
    const segment = inFile(known, copy);
    const location = this.#locations.get(copy.location)?.location;
    if (segment === undefined || location === undefined) return false;
    if (!this.#readable.has(copy.location)) return false;
    const isOk = async () => {
      const look = await checker.look(segment.file, location);
      return (await checker.check({ segment, location }, look)).kind === "ok";
    };
    return (await hung.ask(location, isOk, CHECK_MS)) === true;
  }

  #compare({ profile: a }: Location, { profile: b }: Location): number {
    const [isAFailed, isBFailed] = [this.#failed.isCooling(a.id), this.#failed.isCooling(b.id)];
    if (isAFailed !== isBFailed) return isAFailed ? 1 : -1;
    if (a.tier !== b.tier) return isFaster(a.tier, b.tier) ? -1 : 1;
    const { loads } = this.#options;
    return loads.load(a.id) - loads.load(b.id) || (a.id < b.id ? -1 : 1);
  }

  #tierOf(id: string): Tier | undefined {
    return this.#locations.get(id)?.location.profile.tier;
  }
}

type Make = Extract<CopyChange, { kind: "make" }>;
type Drop = Extract<CopyChange, { kind: "drop" }>;

interface Pass {
  /** That may still be copied. */
  leftBytes: number;
  readonly signal: AbortSignal;
}
