/**
 * Reads everything again that is durable, round after round, so that what a disk has lost or somebody changed is found before a
 * session needs it. Within a round segments go in the store's own order; those of a file that just settled go before the others,
 * except that a round under way or due goes on by one segment after every few of them: where turns settle all the time there is
 * always another, and no round would ever end.
 *
 * It is never in anybody's way: one file at a time, no faster than `bytesPerSecond` whatever is due, outside the verifier's
 * gate, on timers that keep no process alive. So a store that holds more than `bytesPerSecond` x `scrubIntervalMs` is read less
 * often than asked for, and `roundEnded` says so.
 */
import type { MaybePromise } from "../../affinity/binding-store.ts";
import type { Clock, Scheduler } from "../../clock.ts";
import { isSameFile, type SegmentId } from "../records.ts";
import type { CondemnRequest } from "../space.ts";
import { pause } from "./pause.ts";
import { recheckGroup } from "./group-pass.ts";
import type { Crc32 } from "./segment-pass.ts";
import type { DamageReason, Recheck, StoredSegment, UnreadableReason } from "./segment-verifier.ts";

/** What the scrubber needs to know of the catalog, and the one thing that it changes there. */
export interface ScrubbedSegments {
  /**
   * The durable segment that comes after this one, whether that is still there or not, in each of its copies that can be read; the
   * first one after undefined. Empty after the last one.
   */
  next(after: SegmentId | undefined): MaybePromise<readonly StoredSegment[]>;
  /** In each of its copies that can be read. */
  find(id: SegmentId): MaybePromise<readonly StoredSegment[]>;
  /** As in the catalog. */
  condemn(request: CondemnRequest): Promise<boolean>;
  /** What was kept last, before a restart too: the last segment read of a round that is not over. */
  position(): MaybePromise<SegmentId | undefined>;
  /** Told after each segment. Losing the newest ones costs reading those again. */
  keepPosition(id: SegmentId | undefined): MaybePromise<void>;
}

/** Never throws. */
export interface ScrubObserver {
  scrubbed(end: ScrubEnd): void;
  roundEnded(round: ScrubRound): void;
  /** As many as `soonLimit` wait already. It is read in its turn. */
  notSoon(): void;
  /** What the segments' store or a location threw. The scrubber goes on, after `retryMs`. */
  failed(reason: unknown): void;
}

export interface ScrubEnd {
  /** Of one copy. `gone`: it was damaged, and meanwhile nobody's. All other damaged ones are condemned. */
  readonly result: "ok" | "gone" | DamageReason | UnreadableReason;
  readonly bytes: number;
  /** Together with those of the same file that were read with it. */
  readonly durationMs: number;
}

export interface ScrubRound {
  /** Those of the round's own order. */
  readonly segments: number;
  readonly durationMs: number;
  /** It took longer than `scrubIntervalMs`, and the next one begins at once. */
  readonly isLate: boolean;
}

export interface ScrubberOptions {
  readonly clock: Clock & Scheduler;
  readonly crc32: Crc32;
  readonly segments: ScrubbedSegments;
  readonly observer: ScrubObserver;
  /** From the start of a round to the start of the next; > 0. */
  readonly scrubIntervalMs: number;
  readonly bytesPerSecond: number;
  /** Segments that may wait to be read out of turn. */
  readonly soonLimit: number;
  /** After a failure; > 0. */
  readonly retryMs: number;
}

/** To find and open a file is paid for as if so many bytes were read, so that small segments and lost ones take their time too. */
const OPENING_BYTES = 65_536;

/** As many are read out of turn, then one in its turn. */
const SOON_AT_ONCE = 8;

interface Round {
  readonly startMs: number;
  /** From the first segment on, not from where another process stopped. */
  readonly isWhole: boolean;
  segments: number;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  /** To be read out of turn, oldest first. */
  readonly #soon = new Set<SegmentId>();
  /** Since the last one of a round. */
  #readSoon = 0;
  /** Ends the rest under way. */
  #wake = new AbortController();
  /** The last segment read of the round under way; undefined before its first. */
  #position: SegmentId | undefined;
  /** Undefined between two rounds. */
  #round: Round | undefined;
  #nextRoundMs: number;
  /** When what was read so far is paid for. */
  #freeAtMs: number;

  /** Starts at once, where the last one stopped. */
  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#nextRoundMs = options.clock.now();
    this.#freeAtMs = options.clock.now();
    this.#running = this.#run();
  }

  /** These go first, in this order; those that wait already keep their place. */
  scrubSoon(ids: readonly SegmentId[]): void {
    const { soonLimit, observer } = this.#options;
    for (const id of ids) {
      if (this.#soon.size < soonLimit || this.#soon.has(id)) this.#soon.add(id);
      else observer.notSoon();
    }
    this.#wake.abort();
  }

  /** Idempotent. Waits for the chunk that is being read. */
  close(): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    return this.#running;
  }

  async #run(): Promise<void> {
    let isResumed = false;
    while (!this.#closing.signal.aborted) {
      try {
        if (!isResumed) await this.#resume();
        isResumed = true;
        await this.#step();
      } catch (reason) {
        this.#options.observer.failed(reason);
        await this.#rest(this.#options.retryMs);
      }
    }
  }

  async #resume(): Promise<void> {
    this.#position = await this.#options.segments.position();
  }

  async #step(): Promise<void> {
    const { clock } = this.#options;
    const waitMs = this.#round === undefined ? this.#nextRoundMs - clock.now() : 0;
    if (this.#soon.size > 0 && (waitMs > 0 || this.#readSoon < SOON_AT_ONCE)) {
      return this.#scrubFirst();
    }
    if (waitMs > 0) return this.#rest(waitMs);
    this.#readSoon = 0;
    await this.#goOn();
  }

  /** Those that have waited longest, of which many will be in one file. What a failure leaves of them is read in its turn. */
  async #scrubFirst(): Promise<void> {
    const copies: StoredSegment[] = [];
    let room = SOON_AT_ONCE;
    for (const id of this.#soon) {
      this.#soon.delete(id);
      this.#readSoon++;
      copies.push(...(await this.#options.segments.find(id)));
      if (--room === 0) break;
    }
    await this.#scrubAll(copies);
  }

  /** The next segment of the round; the round's end when there is none. */
  async #goOn(): Promise<void> {
    const { segments, clock } = this.#options;
    const isWhole = this.#position === undefined;
    this.#round ??= { startMs: clock.now(), isWhole, segments: 0 };
    const copies = await segments.next(this.#position);
    const [first] = copies;
    if (first === undefined) {
      this.#endRound(this.#round);
    } else {
      this.#position = first.segment.id;
      await this.#scrubAll(copies);
      if (this.#closing.signal.aborted) return;
      this.#round.segments++;
    }
    await segments.keepPosition(this.#position);
  }

  /** After the rest of a round that began before a restart, nobody knows how long ago, the next one is due at once. */
  #endRound({ startMs, isWhole, segments }: Round): void {
    const { clock, scrubIntervalMs, observer } = this.#options;
    const nowMs = clock.now();
    const isLate = nowMs - startMs > scrubIntervalMs;
    this.#position = undefined;
    this.#round = undefined;
    this.#nextRoundMs = isWhole ? Math.max(nowMs, startMs + scrubIntervalMs) : nowMs;
    observer.roundEnded({ segments, durationMs: nowMs - startMs, isLate });
  }

  async #scrubAll(copies: readonly StoredSegment[]): Promise<void> {
    const nameOf = ({ segment: { file } }: StoredSegment) => `${file.location}\0${file.name}`;
    for (const group of Map.groupBy(copies, nameOf).values()) {
      if (this.#closing.signal.aborted) return;
      await this.#scrub(group);
    }
  }

  /** All in one file. */
  async #scrub(group: readonly StoredSegment[]): Promise<void> {
    const { clock, crc32, observer } = this.#options;
    await this.#pay(OPENING_BYTES);
    const startMs = clock.now();
    const rechecked = await recheckGroup(group, {
      crc32,
      signal: this.#closing.signal,
      pace: (bytes) => this.#pay(bytes),
    });
    for (const { stored, found } of rechecked) {
      const result = await this.#resultOf(stored, found);
      const { bytes } = stored.segment;
      observer.scrubbed({ result, bytes, durationMs: clock.now() - startMs });
    }
  }

  /** Looks again before it condemns: bytes that were moved or dropped while they were read are no damage. */
  async #resultOf({ segment }: StoredSegment, found: Recheck): Promise<ScrubEnd["result"]> {
    if (found.kind === "ok") return "ok";
    if (found.kind === "unreadable") return found.reason;
    const { segments } = this.#options;
    const { id, file, kvStart } = segment;
    const isThere = (await segments.find(id)).some(
      ({ segment: now }) => isSameFile(now.file, file) && now.kvStart === kvStart,
    );
    return isThere && (await segments.condemn({ segment: id, file })) ? found.reason : "gone";
  }

  /** Waits until all before is paid for, so that what is found in the last bytes of a segment waits for nothing. */
  async #pay(bytes: number): Promise<void> {
    const { clock, bytesPerSecond } = this.#options;
    const debtMs = this.#freeAtMs - clock.now();
    if (debtMs > 0) await pause(clock, debtMs, this.#closing.signal);
    this.#freeAtMs = Math.max(clock.now(), this.#freeAtMs) + (bytes * 1000) / bytesPerSecond;
  }

  #rest(delayMs: number): Promise<void> {
    this.#wake = new AbortController();
    if (this.#closing.signal.aborted) this.#wake.abort();
    return pause(this.#options.clock, delayMs, this.#wake.signal);
  }
}
