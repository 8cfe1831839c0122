/** Reported segments on their way to being listed: verified in the background, then settled. */
import { AppError } from "../../errors.ts";
import type { Catalog, SettleOutcome, Verdict } from "../catalog.ts";
import type { Segment } from "../records.ts";
import type { SegmentVerifier, WrittenSegment } from "../verify/segment-verifier.ts";
import type { Places } from "./places.ts";
import type { SegmentCut, SegmentCutter } from "./segment-cutter.ts";
import type { SettledPart, TurnObserver } from "./turn-plan.ts";

export interface SettlementsOptions {
  readonly catalog: Catalog;
  readonly verifier: SegmentVerifier;
  readonly places: Pick<Places, "asGoodAs">;
  readonly cutter: Pick<SegmentCutter, "cut">;
  readonly nowMs: () => number;
  /** Turns under way. Segments of one more are dropped. */
  readonly limit: number;
  readonly observer: Pick<TurnObserver, "settled" | "stored" | "unverified">;
}

/** Reported, and to be listed whole unless it is said in which parts. */
export interface PendingPart extends WrittenSegment {
  /** Empty: nobody knows of any part where it ends. */
  readonly cuts: readonly SegmentCut[] | "whole";
  /** Of the turn, by the wall clock. */
  readonly settleByMs: number;
  /** Of its session. */
  readonly priority: number;
}

const UNVERIFIED: Verdict = { kind: "dropped", reason: "unverified" };
const UNCUT: Verdict = { kind: "dropped", reason: "uncut" };

export class Settlements {
  readonly #options: SettlementsOptions;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: SettlementsOptions) {
    this.#options = options;
  }

  /** Turns under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Parts of one turn: one after the other, so that the last stat recorded of their file is the newest. Never rejects. */
  add(parts: readonly PendingPart[]): Promise<readonly SettledPart[]> {
    if (parts.length === 0) return Promise.resolve([]);
    const isFull = this.#underWay.size >= this.#options.limit;
    const work = this.#settleAll(parts, isFull).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
    return work;
  }

  /** All that was added until now. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #settleAll(parts: readonly PendingPart[], isFull: boolean): Promise<SettledPart[]> {
    const settled: SettledPart[] = [];
    for (const part of parts) {
      const { segment } = part;
      try {
        if (isFull) this.#options.observer.unverified(segment, "queue_full");
        const verdict = isFull ? UNVERIFIED : await this.#verdict(part);
        settled.push(...(await this.#settle(part, verdict)));
      } catch (reason) {
        // Not settled: it stays pending, and is dropped when its time is over.
        this.#options.observer.unverified(segment, AppError.from(reason));
        settled.push({ kind: "dropped", segment, reason: "unverified" });
      }
    }
    const last = settled.findLast(({ kind }) => kind === "listed");
    if (last !== undefined) this.#options.observer.stored(last.segment);
    return settled;
  }

  async #verdict(part: PendingPart): Promise<Verdict> {
    if (part.cuts.length === 0) return { kind: "dropped", reason: "no_boundary" };
    try {
      return await this.#options.verifier.verify(part);
    } catch (reason) {
      this.#options.observer.unverified(part.segment, AppError.from(reason));
      return UNVERIFIED;
    }
  }

  async #settle(part: PendingPart, verdict: Verdict): Promise<SettledPart[]> {
    const { cuts, segment, priority, settleByMs: deadlineMs } = part;
    if (cuts === "whole" || verdict.kind === "dropped") return this.#settleWhole(part, verdict);
    const { catalog, cutter, places, nowMs, observer } = this.#options;
    const parts = await cutter.cut(part, { cuts, crc: verdict.crc, deadlineMs, priority });
    if (parts.length === 0) return this.#settleWhole(part, UNCUT);
    const locations = places.asGoodAs(segment.file.location);
    const request = { segment: segment.id, nowMs: nowMs(), parts, locations };
    const settled = await catalog.settleCut(request);
    if (settled === undefined) return this.#settleWhole(part, UNCUT);
    return settled.map(({ segment: listed, outcome }) => {
      observer.settled(listed, outcome);
      return settledPart(listed, verdict, outcome);
    });
  }

  async #settleWhole({ segment }: WrittenSegment, verdict: Verdict): Promise<SettledPart[]> {
    const { catalog, places, nowMs, observer } = this.#options;
    const { id, file } = segment;
    const locations = places.asGoodAs(file.location);
    const outcome = await catalog.settle({ segment: id, nowMs: nowMs(), verdict, locations });
    observer.settled(segment, outcome);
    return [settledPart(segment, verdict, outcome)];
  }
}

function settledPart(segment: Segment, verdict: Verdict, outcome: SettleOutcome): SettledPart {
  switch (outcome.kind) {
    case "durable":
      return { kind: "listed", segment, as: segment.id };
    case "duplicate":
      return { kind: "listed", segment, as: outcome.of };
    case "conflict": // the turn was aborted meanwhile, or its session ended
      return { kind: "dropped", segment, reason: "aborted" };
    case "dropped":
      return {
        kind: "dropped",
        segment,
        reason: verdict.kind === "dropped" ? verdict.reason : "unverified",
      };
  }
}
