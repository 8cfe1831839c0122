/** One copy of a segment on its way to a faster place, for all who want it there. */
import type { CopyResult } from "../copier.ts";
import type { Location } from "../location.ts";
import type { Segment } from "../records.ts";
import type { CopyPlace, CopyTimes, Way } from "./copy-times.ts";

export interface FlightOptions {
  /** In the copy that is read. */
  readonly segment: Segment;
  /** Where that copy lies. */
  readonly from: CopyPlace;
  readonly to: Location;
}

/** `failed`: by a bug, or the catalog. */
export type FlightResult = CopyResult | "failed";

export interface Left {
  /** Where `isKnown` is false, a guess: it may take any time. */
  readonly ms: number;
  readonly isKnown: boolean;
}

export class Flight {
  readonly segment: Segment;
  readonly to: Location;
  readonly way: Way;
  readonly #cancelling = new AbortController();
  readonly #ending = Promise.withResolvers<FlightResult>();
  /** Those who may still leave. */
  #claims = 0;
  #isKept = false;
  #startMs: number | undefined;
  /** That are written. */
  #copiedBytes = 0;
  #result: FlightResult | undefined;

  constructor({ segment, from, to }: FlightOptions) {
    this.segment = segment;
    this.to = to;
    this.way = { from, to: to.profile };
  }

  /** Aborted when nobody wants it any more. */
  get signal(): AbortSignal {
    return this.#cancelling.signal;
  }

  get isBegun(): boolean {
    return this.#startMs !== undefined;
  }

  /** By somebody who may still leave. */
  get isAwaited(): boolean {
    return this.#claims > 0;
  }

  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  get leftBytes(): number {
    return this.segment.bytes - this.#copiedBytes;
  }

  /** Undefined while it is under way. */
  get result(): FlightResult | undefined {
    return this.#result;
  }

  /** Never rejects. */
  get ended(): Promise<FlightResult> {
    return this.#ending.promise;
  }

  /** Until `leave` or `keep`, once. */
  claim(): void {
    this.#claims++;
  }

  leave(): void {
    this.#claims--;
    if (this.#claims === 0 && !this.#isKept) this.cancel();
  }

  /** It goes on, whoever leaves. */
  keep(): void {
    this.#claims--;
    this.#isKept = true;
  }

  cancel(): void {
    this.#cancelling.abort();
  }

  begin(nowMs: number): void {
    this.#startMs = nowMs;
  }

  /** So many more bytes are written. */
  copied(bytes: number): void {
    this.#copiedBytes += bytes;
  }

  end(result: FlightResult): void {
    this.#result = result;
    this.#ending.resolve(result);
  }

  /**
   * From when it has one of the places to go on: by copies of late while it keeps to their time; then as fast as it was until now,
   * and where nothing has come yet, as long again as it has taken.
   */
  leftMs(times: CopyTimes, nowMs: number): Left {
    const expectedMs = times.msOf(this.way, this.segment.bytes);
    const isKnown = expectedMs !== undefined;
    if (this.#startMs === undefined) return { ms: expectedMs ?? 0, isKnown };
    const elapsedMs = nowMs - this.#startMs;
    if (isKnown && elapsedMs < expectedMs) return { ms: expectedMs - elapsedMs, isKnown };
    if (this.#copiedBytes === 0) return { ms: elapsedMs, isKnown };
    return { ms: (elapsedMs * this.leftBytes) / this.#copiedBytes, isKnown: true };
  }
}

export function isThere({ result }: Pick<Flight, "result">): boolean {
  return result === "copied" || result === "present";
}
