/** Brings what a session has to where it is read fastest, before a turn asks for it. Nothing is used or leased by it. */
import type { Catalog } from "../catalog.ts";
import type { Readahead } from "../readahead/readahead.ts";
import type { Segment, SessionKey } from "../records.ts";
import type { Places } from "./places.ts";
import type { Settings } from "./settings.ts";
import type { TextSequence, TokenSequence } from "./token-sequence.ts";
import type { UnplannedReason } from "./turn-plan.ts";
import { UnderWay } from "./under-way.ts";

export interface PrefetcherOptions {
  readonly catalog: Pick<Catalog, "match" | "segments">;
  readonly settings: Settings;
  readonly places: Pick<Places, "all" | "everywhere">;
  readonly readahead: Pick<Readahead, "bring">;
}

export interface PrefetchRequest {
  readonly session: SessionKey;
  /** Given: what is stored of it, in place of all that the session has. */
  readonly prompt?: TokenSequence | TextSequence | undefined;
  /** Given: these, in place of both. */
  readonly segments?: readonly Segment[] | undefined;
}

export interface Prefetched {
  readonly segments: number;
  readonly bytes: number;
  /** Of segments that are as near as they can be. */
  readonly nearBytes: number;
  /** On their way. */
  readonly queuedBytes: number;
}

/** However much is asked for ahead of turns, those that wait find room in the queue. */
const QUEUE_SHARE = 0.5;

export class Prefetcher {
  readonly #options: PrefetcherOptions;
  readonly #underWay = new UnderWay();

  constructor(options: PrefetcherOptions) {
    this.#options = options;
  }

  /**
   * To where all engines reach it, since nobody knows yet which one serves the turn. Answers when everything has begun; what was begun
   * ends by itself. Rejects where the catalog does.
   */
  prefetch(request: PrefetchRequest): Promise<Prefetched | UnplannedReason> {
    return this.#underWay.run(() => this.#prefetch(request));
  }

  /** Idempotent. Begins nothing more. */
  close(): Promise<void> {
    return this.#underWay.close();
  }

  async #prefetch(request: PrefetchRequest): Promise<Prefetched | UnplannedReason> {
    const { places, readahead } = this.#options;
    const found = request.segments ?? (await this.#wanted(request));
    if (typeof found === "string") return found;
    const segments = found.filter(({ state }) => state === "durable");
    const errand = await readahead.bring({
      segments,
      reach: undefined,
      to: places.everywhere(),
      queueShare: QUEUE_SHARE,
    });
    errand.keep();
    const { sightings } = errand;
    return {
      segments: segments.length,
      bytes: bytesOf(segments),
      nearBytes: bytesOf(sightings.flatMap((each) => (each.isNear ? each.segment : []))),
      queuedBytes: bytesOf(sightings.flatMap(({ flight, segment }) => (flight ? segment : []))),
    };
  }

  async #wanted({
    session,
    prompt: sequence,
  }: PrefetchRequest): Promise<readonly Segment[] | UnplannedReason> {
    const { catalog, settings, places } = this.#options;
    if (sequence === undefined) return catalog.segments(session);
    const setting = await settings.settingOf(session);
    if (typeof setting === "string") return setting;
    const prefixes = await settings.prefixesOf(setting);
    const { view: prompt } = await settings.indexOf({ sequence, output: [] }, setting, prefixes);
    const { rules } = setting.model;
    const match = await catalog.match({ session, prompt, rules, locations: places.all() });
    return match.segments;
  }
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}
