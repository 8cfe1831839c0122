/**
 * How often segments are read, as this process has seen it: reads a second, each counting half after a half-life. In memory alone: a
 * restart begins with nothing, and who acts on rates that are low asks `isWarm` first.
 */
import type { Clock } from "../../clock.ts";
import type { SegmentId } from "../records.ts";
import { NO_LEVEL, raised, sumAt } from "./decayed-sum.ts";
import { LevelHeap } from "./level-heap.ts";

export interface ReadRatesOptions {
  readonly clock: Clock;
  readonly halfLifeMs: number;
  /** Of segments: a new one takes the place of the least read. Default 65,536, some 200 bytes each. */
  readonly limit?: number;
}

export interface SegmentRate {
  readonly segment: SegmentId;
  readonly readsPerSecond: number;
}

const SEGMENTS_LIMIT = 65_536;
/** What is read evenly shows three quarters of its rate then. */
const WARM_HALF_LIVES = 2;

export class ReadRates {
  readonly #options: ReadRatesOptions;
  readonly #levels = new LevelHeap<SegmentId>();
  /** Of the clock, when nothing was read yet: levels count from here. */
  readonly #startMs: number;

  constructor(options: ReadRatesOptions) {
    this.#options = options;
    this.#startMs = options.clock.now();
  }

  get size(): number {
    return this.#levels.size;
  }

  /** Whether it was watched for long enough to say of anything that it is seldom read. */
  get isWarm(): boolean {
    return this.#halfLives >= WARM_HALF_LIVES;
  }

  /** `reads` > 0: a part of a segment is a part of a read. */
  add(segment: SegmentId, reads: number): void {
    const known = this.#levels.level(segment);
    if (known === undefined && this.size >= (this.#options.limit ?? SEGMENTS_LIMIT)) {
      const least = this.#levels.least();
      if (least !== undefined) this.#levels.delete(least);
    }
    this.#levels.set(segment, raised(known ?? NO_LEVEL, reads, this.#halfLives));
  }

  readsPerSecond(segment: SegmentId): number {
    return this.#rateOf(this.#levels.level(segment) ?? NO_LEVEL);
  }

  /** Those read more often than that, the most read first. */
  above(readsPerSecond: number): SegmentRate[] {
    const found: SegmentRate[] = [];
    for (const { key, level } of this.#levels.entries()) {
      const rate = this.#rateOf(level);
      if (rate > readsPerSecond) found.push({ segment: key, readsPerSecond: rate });
    }
    return found.toSorted((a, b) => b.readsPerSecond - a.readsPerSecond);
  }

  forget(segment: SegmentId): void {
    this.#levels.delete(segment);
  }

  get #halfLives(): number {
    return (this.#options.clock.now() - this.#startMs) / this.#options.halfLifeMs;
  }

  /** A sum of reads at an even rate comes to rest at the rate times half-life / ln 2. */
  #rateOf(level: number): number {
    return (sumAt(level, this.#halfLives) * Math.LN2 * 1_000) / this.#options.halfLifeMs;
  }
}
