/**
 * Where a turn waits before anything is reserved for it, so that nothing has to be taken back: what it could load and lies far begins to
 * come nearer, and the gate opens when it is there, or when waiting for it would cost more than it saves.
 *
 * What an engine reaches itself, in a slower tier, it is predicted to read from there as long as a copy from there takes. So nothing is
 * held for that alone, unless its copy has been under way for a while; it serves the next turn.
 */
import type { Clock, Scheduler } from "../../clock.ts";
import type { Catalog, MatchRequest } from "../catalog.ts";
import type { LoadRules } from "../model/load-rules.ts";
import type { Reach } from "../reach.ts";
import type { Segment } from "../records.ts";
import { pause } from "../verify/pause.ts";
import { type Flight, isThere, type Left } from "./flight.ts";
import { chooseHold, type Choice, type Prospect } from "./hold.ts";
import { loadsOf, NO_LOAD, type Waiting } from "./loads.ts";
import type { Readahead } from "./readahead.ts";

export interface GateOptions {
  readonly catalog: Pick<Catalog, "match">;
  readonly places: {
    all(): Reach;
    within(reach: Reach | undefined): Reach;
    /** Who has this reach reads all that there is, and from one tier. */
    isFlat(reach: Reach | undefined): boolean;
  };
  readonly readahead: Pick<Readahead, "bring" | "leftMs" | "readMs">;
  readonly clock: Clock & Scheduler;
  readonly observer: GateObserver;
}

export interface GateObserver {
  /** One for each turn with something to wait for. Returns at once and does not throw. */
  held(hold: EndedHold): void;
}

export interface EndedHold {
  readonly heldMs: number;
  readonly outcome: HoldOutcome;
}

/**
 * `near`: what it waited for is there. `opened_early`: waiting was not worth it, or not any more. `late`: it was, and may take no longer.
 * `left`: the client has.
 */
export type HoldOutcome = "near" | "opened_early" | "late" | "left";

/** What the turn may wait for. */
export interface Hold {
  /** Aborted when nobody waits for the answer any more: what was begun for it alone is cancelled. */
  readonly signal?: AbortSignal | undefined;
  /** Monotonic. */
  readonly untilMs: number;
  /**
   * From the release of the request to its first token, as it is predicted; undefined where nothing is known yet. Absent: whoever asks
   * would rather wait, and `untilMs` alone ends it.
   */
  readonly turnMs?: (storedTokens: number) => number | undefined;
}

type Sought = Omit<MatchRequest, "locations">;

export interface GateRequest {
  /** Undefined: there is nothing to look for. Asked where it matters alone. */
  readonly match: () => Promise<Sought | undefined>;
  readonly reach: Reach | undefined;
  /** Undefined: what is far is brought all the same, and nobody waits. */
  readonly hold: Hold | undefined;
}

export interface FarRequest extends Pick<GateRequest, "reach" | "hold"> {
  /** In order from token 0, without gaps. */
  readonly segments: readonly Segment[];
  /** Of the prompt, that the engine can load as it is. */
  readonly reachedTokens: number;
  readonly rules: LoadRules;
}

const NOTHING_LEFT = { ms: 0, isKnown: true };

/** Looks at what is under way are never closer together, nor than this share of the wait so far: where nothing comes they grow rare. */
const LOOK_MS = 1;
const LOOK_SHARE = 1 / 8;

export class Gate {
  readonly #options: GateOptions;
  readonly #closing = new AbortController();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Undefined where there was nothing to wait for. Rejects where the catalog does. */
  async pass({ match: seek, reach, hold }: GateRequest): Promise<HoldOutcome | undefined> {
    if (this.#options.places.isFlat(reach)) return undefined;
    const match = await seek();
    if (match === undefined) return undefined;
    const far = await this.#far(match, reach);
    return this.passFor({ ...far, rules: match.rules, reach, hold });
  }

  /** The same for who has chosen already what to load. */
  async passFor({ reach, hold, ...far }: FarRequest): Promise<HoldOutcome | undefined> {
    const { segments } = far;
    if (segments.length === 0) return undefined;
    const errand = await this.#options.readahead.bring({ segments, reach });
    try {
      const flights = errand.sightings.flatMap(({ flight }) => flight ?? []);
      if (hold === undefined || flights.length === 0) return undefined;
      return await this.#hold({ ...far, sightings: errand.sightings, flights }, hold);
    } finally {
      if (hold?.signal?.aborted === true) errand.leave();
      else errand.keep();
    }
  }

  /** Holds nobody from now on. Idempotent. */
  open(): void {
    this.#closing.abort();
  }

  /** The best that could be listed, if any of it could be nearer. */
  async #far(
    match: Sought,
    reach: Reach | undefined,
  ): Promise<Pick<FarRequest, "segments" | "reachedTokens">> {
    const { catalog, places } = this.#options;
    const reached = await catalog.match({ ...match, locations: places.within(reach) });
    const every = await catalog.match({ ...match, locations: places.all() });
    const { segments } = every.tokens > reached.tokens ? every : reached;
    return { segments, reachedTokens: reached.tokens };
  }

  async #hold(waiting: Waiting, hold: Hold): Promise<HoldOutcome> {
    const { clock, observer } = this.#options;
    const startMs = clock.now();
    const outcome = await this.#wait(waiting, hold);
    observer.held({ heldMs: clock.now() - startMs, outcome });
    return outcome;
  }

  async #wait(waiting: Waiting, hold: Hold): Promise<HoldOutcome> {
    const { clock } = this.#options;
    const startMs = clock.now();
    let awaited: readonly Flight[] = [];
    let untilMs: number | undefined;
    for (;;) {
      if (hold.signal?.aborted === true) return "left";
      if (awaited.length > 0 && awaited.every(isThere)) return "near";
      const nowMs = clock.now();
      const choice = this.#choose(waiting, hold);
      if (choice === undefined || this.#closing.signal.aborted) {
        return awaited.length > 0 && nowMs >= hold.untilMs ? "late" : "opened_early";
      }
      // Whatever is hoped for later on, no more is lost than was to be gained at first.
      untilMs ??= Math.min(hold.untilMs, startMs + choice.gainMs);
      if (nowMs >= untilMs) return "opened_early";
      awaited = waiting.flights.slice(0, choice.copies);
      const leastMs = Math.max(LOOK_MS, (nowMs - startMs) * LOOK_SHARE);
      const restMs = Math.min(untilMs - nowMs, Math.max(choice.leftMs, leastMs));
      await this.#rest(restMs, awaited, hold);
    }
  }

  #choose(waiting: Waiting, hold: Hold): Choice | undefined {
    const { readahead, clock } = this.#options;
    const limitMs = hold.untilMs - clock.now();
    const { flights } = waiting;
    const lefts = [NOTHING_LEFT, ...readahead.leftMs(flights)];
    const { turnMs } = hold;
    if (turnMs === undefined) return mostOf(flights, lefts, limitMs);
    const loads = loadsOf(waiting, (from, flight) => readahead.readMs(from, flight) ?? 0);
    const prospects = lefts.map((left, copies): Prospect => {
      const { storedTokens, slowMs } = loads[copies] ?? NO_LOAD;
      const loadedMs = turnMs(storedTokens);
      return { left, storedTokens, turnMs: loadedMs === undefined ? undefined : loadedMs + slowMs };
    });
    return chooseHold(prospects, limitMs);
  }

  /** Until one of them has ended, or so much time is over. */
  async #rest(ms: number, awaited: readonly Flight[], { signal }: Hold): Promise<void> {
    const next = awaited.find(({ result }) => result === undefined);
    const woken = new AbortController();
    void next?.ended.then(() => woken.abort());
    const signals = [woken.signal, this.#closing.signal, ...(signal === undefined ? [] : [signal])];
    await pause(this.#options.clock, ms, AbortSignal.any(signals));
  }
}

/** As many as can be waited for so long. Undefined where none of them is under way any more. */
function mostOf(
  flights: readonly Flight[],
  lefts: readonly Left[],
  limitMs: number,
): Choice | undefined {
  if (limitMs <= 0) return undefined;
  const last = flights.findLastIndex(({ result }, at) => {
    const left = lefts[at + 1] ?? NOTHING_LEFT;
    return result === undefined && (!left.isKnown || left.ms < limitMs);
  });
  const leftMs = lefts[last + 1]?.ms ?? 0;
  return last === -1 ? undefined : { copies: last + 1, leftMs, gainMs: limitMs };
}
