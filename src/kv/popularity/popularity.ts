/** What is told of reads, and by whom it is remembered. */
import type { Segment } from "../records.ts";
import type { ReadLoads } from "./read-loads.ts";
import type { ReadRates } from "./read-rates.ts";

export interface PopularityOptions {
  /** Undefined where nobody asks how often segments are read. */
  readonly rates: ReadRates | undefined;
  readonly loads: ReadLoads;
}

export class Popularity {
  readonly #options: PopularityOptions;

  constructor(options: PopularityOptions) {
    this.#options = options;
  }

  /** Somebody was told to read these, or is sent them: each in the copy that is read. */
  read(segments: readonly Segment[]): void {
    for (const segment of segments) this.readBytes(segment, segment.bytes);
  }

  /** The same of a part of one. */
  readBytes(segment: Segment, bytes: number): void {
    if (bytes <= 0) return;
    this.#options.rates?.add(segment.id, bytes / segment.bytes);
    this.#options.loads.add(segment.file.location, bytes);
  }
}
