/**
 * Which segments a pass looks at, each once: the most read, then those that were stored since, then some of those that are known to
 * have replicas, then some of all, so that whatever a former process left is met in time.
 */
import { setImmediate } from "node:timers/promises";

import type { Catalog } from "../catalog.ts";
import type { SegmentId } from "../records.ts";
import type { ReadRates } from "./read-rates.ts";

export interface LooksOptions {
  readonly catalog: Pick<Catalog, "nextSegment">;
  readonly rates: Pick<ReadRates, "above">;
  /** What is read more often is looked at first. */
  readonly readsPerSecond: number;
}

/** Of each kind in one pass. */
const LOOKS = 64;
/** Between two turns of the event loop. */
const LOOKS_AT_ONCE = 16;
/** Of those that have replicas, and of those that were stored. More are met in the round of all. */
const KNOWN_LIMIT = 65_536;

export class Looks {
  readonly #options: LooksOptions;
  /** The one that was looked at last at the end. */
  readonly #replicated = new Set<SegmentId>();
  readonly #stored = new Set<SegmentId>();
  /** Of the most read, how many were looked at since the most read of all. */
  #hot = 0;
  /** Of all; undefined at the start of a round. */
  #after: SegmentId | undefined;

  constructor(options: LooksOptions) {
    this.#options = options;
  }

  stored(id: SegmentId): void {
    if (this.#stored.size < KNOWN_LIMIT) this.#stored.add(id);
  }

  /** As it was found at a look. */
  found(id: SegmentId, hasReplicas: boolean): void {
    this.#replicated.delete(id);
    if (!hasReplicas) return;
    this.#replicated.add(id);
    const [oldest] = this.#replicated;
    if (this.#replicated.size > KNOWN_LIMIT && oldest !== undefined)
      this.#replicated.delete(oldest);
  }

  /** Where nothing more can be made in this pass, the most read and the stored wait for the next, which goes on with them. */
  async *pass(canMake: () => boolean): AsyncGenerator<SegmentId, void> {
    const looked = new Set<SegmentId>();
    for await (const id of this.#each(canMake)) {
      if (looked.has(id)) continue;
      looked.add(id);
      yield id;
      if (looked.size % LOOKS_AT_ONCE === 0) await setImmediate();
    }
  }

  async *#each(canMake: () => boolean): AsyncGenerator<SegmentId, void> {
    const { rates, readsPerSecond, catalog } = this.#options;
    const hot = rates.above(readsPerSecond);
    if (this.#hot >= hot.length) this.#hot = 0;
    for (const { segment } of hot.slice(this.#hot, this.#hot + LOOKS)) {
      if (!canMake()) break;
      this.#hot++;
      yield segment;
    }
    for (const id of firstOf(this.#stored)) {
      if (!canMake()) break;
      this.#stored.delete(id);
      yield id;
    }
    yield* firstOf(this.#replicated);
    for (let looks = 0; looks < LOOKS; looks++) {
      const segment = await catalog.nextSegment(this.#after);
      this.#after = segment?.id;
      if (segment === undefined) return;
      yield segment.id;
    }
  }
}

function firstOf(ids: ReadonlySet<SegmentId>): readonly SegmentId[] {
  const first: SegmentId[] = [];
  for (const id of ids) {
    if (first.length === LOOKS) break;
    first.push(id);
  }
  return first;
}
