/** Reported segments on their way to being listed: verified in the background, then settled. */
import { AppError } from "../../errors.ts";
import type { Catalog, Verdict } from "../catalog.ts";
import type { SegmentId } from "../records.ts";
import type { SegmentVerifier, WrittenSegment } from "../verify/segment-verifier.ts";
import type { TurnObserver } from "./turn-plan.ts";

export interface SettlementsOptions {
  readonly catalog: Catalog;
  readonly verifier: SegmentVerifier;
  readonly nowMs: () => number;
  /** Turns under way. Segments of one more are dropped. */
  readonly limit: number;
  readonly observer: Pick<TurnObserver, "settled" | "unverified">;
}

const UNVERIFIED: Verdict = { kind: "dropped", reason: "unverified" };

export class Settlements {
  readonly #options: SettlementsOptions;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: SettlementsOptions) {
    this.#options = options;
  }

  /** Turns under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Parts of one turn: one after the other, so that the last stat recorded of their file is the newest. */
  add(parts: readonly WrittenSegment[]): void {
    if (parts.length === 0) return;
    const isFull = this.#underWay.size >= this.#options.limit;
    const work = this.#settleAll(parts, isFull).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** All that was added until now. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #settleAll(parts: readonly WrittenSegment[], isFull: boolean): Promise<void> {
    for (const part of parts) {
      const { segment } = part;
      try {
        if (isFull) this.#options.observer.unverified(segment, "queue_full");
        await this.#settle(part, isFull ? UNVERIFIED : await this.#verdict(part));
      } catch (reason) {
        // Not settled: it stays pending, and is dropped when its time is over.
        this.#options.observer.unverified(segment, AppError.from(reason));
      }
    }
  }

  async #verdict(part: WrittenSegment): Promise<Verdict> {
    try {
      return await this.#options.verifier.verify(part);
    } catch (reason) {
      this.#options.observer.unverified(part.segment, AppError.from(reason));
      return UNVERIFIED;
    }
  }

  async #settle({ segment }: WrittenSegment, verdict: Verdict): Promise<void> {
    const { catalog, nowMs, observer } = this.#options;
    const id: SegmentId = segment.id;
    const outcome = await catalog.settle({ segment: id, nowMs: nowMs(), verdict });
    observer.settled(segment, outcome);
  }
}
