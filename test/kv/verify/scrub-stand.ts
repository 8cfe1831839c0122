/** A scrubber over segments in memory, whose bytes are in files of a real directory. */
import { crc32 } from "node:zlib";

import { isSameFile, type SegmentId } from "../../../src/kv/records.ts";
import type { CondemnRequest } from "../../../src/kv/space.ts";
import { Scrubber } from "../../../src/kv/verify/scrubber.ts";
import type {
  ScrubbedSegments,
  ScrubberOptions,
  ScrubEnd,
  ScrubRound,
} from "../../../src/kv/verify/scrubber.ts";
import type { StoredSegment } from "../../../src/kv/verify/segment-verifier.ts";
import { type FakeClock, settle } from "../../support/fake-clock.ts";
import { Stand } from "./stand.ts";

export const INTERVAL_MS = 60_000;

/** Durable segments in memory, in order of their ids. */
class StoredSegments implements ScrubbedSegments {
  readonly looked: string[] = [];
  readonly condemned: SegmentId[] = [];
  kept: SegmentId | undefined;
  failure: Error | undefined;
  #stored: StoredSegment[] = [];

  put(stored: StoredSegment): void {
    const { location } = stored.segment.file;
    const others = this.#stored.filter(
      (other) => idOf(other) !== idOf(stored) || other.segment.file.location !== location,
    );
    this.#stored = [...others, stored];
    this.#stored.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  }

  drop(id: SegmentId): void {
    this.#stored = this.#stored.filter((other) => idOf(other) !== id);
  }

  next(after: SegmentId | undefined): readonly StoredSegment[] {
    if (this.failure !== undefined) throw this.failure;
    const next = this.#stored.find((stored) => after === undefined || idOf(stored) > after);
    if (next === undefined) return [];
    this.looked.push(next.segment.turn);
    return this.find(idOf(next));
  }

  find(id: SegmentId): readonly StoredSegment[] {
    return this.#stored.filter((stored) => idOf(stored) === id);
  }

  condemn({ segment: id, file }: CondemnRequest): Promise<boolean> {
    const left = this.#stored.filter(
      (stored) => idOf(stored) !== id || !isSameFile(stored.segment.file, file),
    );
    const isThere = left.length < this.#stored.length;
    if (isThere) this.condemned.push(id);
    this.#stored = left;
    return Promise.resolve(isThere);
  }

  position(): SegmentId | undefined {
    return this.kept;
  }

  keepPosition(id: SegmentId | undefined): void {
    this.kept = id;
  }
}

export class ScrubStand {
  readonly bytes: Stand;
  readonly clock: FakeClock;
  readonly segments = new StoredSegments();
  readonly ends: ScrubEnd[] = [];
  readonly rounds: ScrubRound[] = [];
  readonly failures: unknown[] = [];
  /** How many were left to their turn, as too many were to be read soon. */
  notSoon = 0;
  readonly #opened: Scrubber[] = [];

  private constructor(bytes: Stand) {
    this.bytes = bytes;
    this.clock = bytes.clock;
  }

  static async open(): Promise<ScrubStand> {
    return new ScrubStand(await Stand.open());
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((scrubber) => scrubber.close()));
    await this.bytes.close();
  }

  openScrubber(options: Partial<ScrubberOptions> = {}): Scrubber {
    const scrubber = new Scrubber({
      clock: this.clock,
      crc32,
      segments: this.segments,
      observer: {
        scrubbed: (end) => this.ends.push(end),
        roundEnded: (round) => this.rounds.push(round),
        notSoon: () => this.notSoon++,
        failed: (reason) => this.failures.push(reason),
      },
      scrubIntervalMs: INTERVAL_MS,
      bytesPerSecond: Infinity,
      soonLimit: 10,
      retryMs: 1_000,
      ...options,
    });
    this.#opened.push(scrubber);
    return scrubber;
  }

  async durable(...names: string[]): Promise<StoredSegment[]> {
    const all = [];
    for (const name of names) all.push(await this.bytes.durable({ name, tokens: 32 }));
    for (const stored of all) this.segments.put(stored);
    return all;
  }

  /** Lets it work until the claim holds, moving no time but what it waits for to pay its bytes. */
  async until(claim: () => boolean, stepMs = 0): Promise<void> {
    const deadlineMs = performance.now() + 4_000;
    while (!claim()) {
      if (performance.now() > deadlineMs) throw new Error(`never came true: ${claim.toString()}`);
      await (stepMs > 0 && this.clock.pendingTimers > 0 ? this.clock.advance(stepMs) : settle());
    }
  }
}

export function idOf({ segment }: StoredSegment): SegmentId {
  return segment.id;
}
