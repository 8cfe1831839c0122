/** Snapshots that a server did not restore as they are: of other cache types, or too long for the room that it has. It would not the next time either, and each try reads a file and stalls all its slots. */
import type { Clock } from "../../clock.ts";
import type { SegmentId } from "../records.ts";

/** Room comes back; until then most sessions that were refused have a newer one. */
export const REFUSED_FOR_MS = 300_000;
/** The latest. */
export const REFUSALS_LIMIT = 1_024;

export class RefusedSnapshots {
  readonly #clock: Clock;
  /** When each was, the latest last. */
  readonly #atMs = new Map<SegmentId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(id: SegmentId): void {
    this.#atMs.delete(id);
    this.#atMs.set(id, this.#clock.now());
    const [oldest] = this.#atMs.keys();
    if (this.#atMs.size > REFUSALS_LIMIT && oldest !== undefined) this.#atMs.delete(oldest);
  }

  has(id: SegmentId): boolean {
    const atMs = this.#atMs.get(id);
    return atMs !== undefined && this.#clock.now() - atMs < REFUSED_FOR_MS;
  }
}
