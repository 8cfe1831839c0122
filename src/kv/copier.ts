/**
 * Makes whole copies of segments: one more, for reading elsewhere, or one in an object of its own in place of another, for a file that
 * is to go. A copy is booked before it is made and recorded after it is whole, checked and durable, so a crash at any point leaves a
 * file that the sweep finds. Any number may be under way.
 */
import type { Scheduler } from "../clock.ts";
import type { Catalog } from "./catalog.ts";
import { atLocation } from "./copies.ts";
import { CopyAttempt } from "./copy-attempt.ts";
import type { CopyPace } from "./copy-pace.ts";
import type { HungLocations } from "./hung-locations.ts";
import {
  type FaultCode,
  type Location,
  LocationFault,
  type ObjectName,
  type ObjectStat,
} from "./location.ts";
import type { Segment, SegmentId } from "./records.ts";
import type { NewObject } from "./space.ts";

/**
 * `gone`: the segment ended meanwhile, or the copy that was to be replaced did, or another has come to be at the location.
 * `unreadable`: the bytes of the source are not what they were, or not there; the scrubber looks at them next. `late`: it took
 * longer than it may. `cancelled`: the signal said so. `source_hung`, `target_hung`: the location that it is read from, or made at, let it
 * wait for too long, or does so with another one and was not asked. What is left of any of these is nothing, or is swept.
 */
export type CopyFailure =
  | "gone"
  | "late"
  | "no_space"
  | "unreadable"
  | "cancelled"
  | "source_hung"
  | "target_hung"
  | FaultCode;
/** `present`: the segment had a copy there before, and nothing was done. */
export type CopyResult = "copied" | "present" | CopyFailure;
export type MoveResult = "moved" | CopyFailure;

export interface CopierOptions {
  readonly catalog: Pick<
    Catalog,
    "segment" | "openCopy" | "addReplica" | "moveSegment" | "unlinked"
  >;
  readonly locations: ReadonlyMap<string, Location>;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** Random, never the same twice: up to 32 letters, digits, `_` and `-`. */
  readonly newName: () => string;
  /** Reads these before others. */
  readonly scrubSoon: (ids: readonly SegmentId[]) => void;
  /** The longest that one copy may take. */
  readonly copyMs: number;
  /** The longest that it may wait for the same chunk. */
  readonly stallMs: number;
  readonly clock: Scheduler;
  readonly hung: HungLocations;
  /** Of all further copies together. What is moved does not wait for it: it is little at a time, and the keeper's pass waits for it. */
  readonly pace: Pick<CopyPace, "pay">;
}

export interface CopyOptions {
  /** Aborted, the copy ends as `cancelled` at its next chunk. One that is whole by then is kept. */
  readonly signal?: AbortSignal;
  /** Told of each chunk, of up to 1 MiB, that is written. */
  readonly progress?: (bytes: number) => void;
}

export class Copier {
  readonly #options: CopierOptions;

  constructor(options: CopierOptions) {
    this.#options = options;
  }

  /** One more copy of the segment, at the location, read from the copy that the segment is in. Rejects for a bug only. */
  async copy(segment: Segment, to: Location, options: CopyOptions = {}): Promise<CopyResult> {
    const { catalog } = this.#options;
    const known = await catalog.segment(segment.id);
    if (known === undefined) return "gone";
    if (atLocation(known, to.profile.id) !== undefined) return "present";
    const record = (made: MadeCopy) => catalog.addReplica({ ...made, segment: segment.id });
    const result = await this.#try({ segment, to, record, isPaced: true }, options);
    return result ?? "copied";
  }

  /** In place of the copy that the segment is in, an object of its own at the same location. Rejects for a bug only. */
  async move(segment: Segment, options: CopyOptions = {}): Promise<MoveResult> {
    const { catalog, locations } = this.#options;
    const { id, file: from } = segment;
    const to = locations.get(from.location);
    if (to === undefined) return "not_found";
    const record = (made: MadeCopy) => catalog.moveSegment({ ...made, segment: id, from });
    const result = await this.#try({ segment, to, record, isPaced: false }, options);
    return result ?? "moved";
  }

  /** Undefined when it is recorded. Of one that hangs, what is under way goes on unheard, and may be recorded yet. */
  async #try(making: Making, options: CopyOptions): Promise<CopyFailure | undefined> {
    const { hung, clock, stallMs } = this.#options;
    const { segment, to } = making;
    if (options.signal?.aborted === true) return "cancelled";
    if (hung.isHung(to.profile.id)) return "target_hung";
    if (hung.isHung(segment.file.location)) return "source_hung";

    const attempt = new CopyAttempt({ clock, stallMs, signal: options.signal });
    const work = this.#make(making, { ...options, attempt }).finally(() => attempt.rest());
    const stalled = attempt.stalled.then((location): CopyFailure => {
      hung.add(location, work);
      return location === to.profile.id ? "target_hung" : "source_hung";
    });
    return Promise.race([work, stalled]);
  }

  /** Undefined when it is recorded. */
  async #make(making: Making, options: Attempted): Promise<CopyFailure | undefined> {
    const { catalog, nowMs, newName, copyMs } = this.#options;
    const { segment, to, record } = making;
    const { attempt } = options;
    attempt.waitFor(to.profile.id);
    const freeBytes = await to.freeBytes();
    attempt.rest();
    if (freeBytes instanceof LocationFault) return freeBytes.code;
    const { profile: limits } = to;
    const newFile = { location: limits.id, name: newName() as ObjectName, limits, freeBytes };
    const startMs = nowMs();
    const deadlineMs = startMs + copyMs;
    const asked = { segment: segment.id, newFile, nowMs: startMs, deadlineMs };
    const opened = await catalog.openCopy(asked);
    if (opened === "file_exists") return "exists";
    if (opened !== "opened") return opened;
    const stat = await this.#put({ ...making, newFile, deadlineMs }, options);
    attempt.rest();
    if (typeof stat === "string") {
      // Whatever it left has a name that only this copy was given.
      attempt.waitFor(to.profile.id);
      if (stat !== "exists") await this.#giveUp(newFile, to, () => true);
      return stat;
    }
    const atMs = nowMs();
    if (await record({ to: newFile, stat, nowMs: atMs })) return undefined;
    await this.#giveUp(newFile, to, ({ identity }) => identity === stat.identity);
    return atMs >= deadlineMs ? "late" : "gone";
  }

  /** It is read as it is written: other bytes than those of the recorded CRC never get a name. */
  async #put(placing: Placing, options: Attempted): Promise<ObjectStat | CopyFailure> {
    const { segment, to, newFile } = placing;
    const { id, file, bytes, crc } = segment;
    const from = this.#options.locations.get(file.location);
    if (from === undefined) return "not_found";
    const source = this.#read(placing, from, options);
    try {
      options.attempt.waitFor(to.profile.id);
      const put = await to.put(newFile.name, source, { bytes, crc });
      if (!(put instanceof LocationFault)) return put;
      if (put.code !== "mismatch") return put.code;
    } catch (reason) {
      if (reason instanceof GivenUp) return reason.failure;
      if (!(reason instanceof LocationFault)) throw reason;
      if (!LOST.has(reason.code)) return reason.code;
    }
    this.#options.scrubSoon([id]);
    return "unreadable";
  }

  /** A location at a time is waited for: the one that reads the next chunk, then the one that writes it. */
  async *#read(
    { segment: { file, kvStart, bytes }, to, isPaced, deadlineMs }: Placing,
    from: Location,
    { attempt, progress }: Attempted,
  ): AsyncGenerator<Uint8Array, void> {
    const { pace, nowMs } = this.#options;
    attempt.waitFor(from.profile.id);
    for await (const chunk of from.read(file.name, [{ offset: kvStart, length: bytes }])) {
      attempt.rest();
      if (isPaced) await pace.pay(chunk.length, attempt.signal);
      if (attempt.signal.aborted) throw new GivenUp("cancelled");
      if (nowMs() >= deadlineMs) throw new GivenUp("late");
      attempt.waitFor(to.profile.id);
      yield chunk;
      progress?.(chunk.length);
      attempt.waitFor(from.profile.id);
    }
    attempt.waitFor(to.profile.id);
  }

  /**
   * Nobody was told of it, so neither it nor its room need wait for the sweep: of one that is tried again in every pass, the room of
   * all that failed within a quarantine would be held. What cannot be removed now is swept.
   */
  async #giveUp(
    copy: NewObject,
    location: Location,
    isIt: (stat: ObjectStat) => boolean,
  ): Promise<void> {
    const removal = await location.removeIf(copy.name, isIt);
    if (removal === "removed" || removal === "absent") await this.#options.catalog.unlinked([copy]);
  }
}

interface MadeCopy {
  readonly to: NewObject;
  readonly stat: ObjectStat;
  readonly nowMs: number;
}

interface Making {
  readonly segment: Segment;
  readonly to: Location;
  readonly record: (made: MadeCopy) => Promise<boolean>;
  readonly isPaced: boolean;
}

interface Placing extends Omit<Making, "record"> {
  readonly newFile: NewObject;
  readonly deadlineMs: number;
}

interface Attempted extends Pick<CopyOptions, "progress"> {
  readonly attempt: CopyAttempt;
}

/** Of a source: it is there, and is not what was recorded. */
const LOST: ReadonlySet<FaultCode> = new Set(["not_found", "out_of_range", "not_ours"]);

class GivenUp extends Error {
  readonly failure: "cancelled" | "late";

  constructor(failure: "cancelled" | "late") {
    super(failure);
    this.failure = failure;
  }
}
