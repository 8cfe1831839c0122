/**
 * How turns begin in any pool: planned while Envoy waits and no longer, told to the observer, and open until they are over. What a plan is, and what the engine is
 * sent for it, is the pool's.
 */
import type { Clock, Scheduler } from "../../clock.ts";
import { inTime } from "../in-time.ts";
import type { Prefetcher } from "../turns/prefetcher.ts";
import { UnderWay } from "../turns/under-way.ts";
import type { HeldBodies } from "./held-bodies.ts";
import type { PassReason, PathObserver } from "./path-observer.ts";
import { PassingTurn } from "./path-turn.ts";
import type { TurnScope } from "./turn-endings.ts";
import type { BegunTurn, PathTurn, TurnRequest } from "./turn-path.ts";

export interface TurnBeginsOptions<P> {
  readonly pool: string;
  readonly bodies: Pick<HeldBodies, "untilMs">;
  readonly prefetcher: Pick<Prefetcher, "prefetch">;
  readonly observer: Pick<PathObserver, "begun" | "failed">;
  readonly clock: Clock & Scheduler;
  /** Why nothing is planned, or the plan. Its signal is aborted as soon as nobody waits for it any more. Rejects for a bug only. */
  readonly plan: (request: TurnRequest) => Promise<P | PassReason>;
  /** What was planned is sent to nobody: it came too late, or there was a bug. */
  readonly discard: (planned: P) => void;
  /** What the engine is sent, or why it is not sent that after all, with the plan discarded. */
  readonly start: (request: TurnRequest, planned: P) => StartedTurn | PassReason;
  /** Of a turn that went on without a plan. Returns at once and does not throw. */
  readonly passed: (scope: TurnScope) => void;
}

export interface StartedTurn extends Omit<BegunTurn, "turn"> {
  /** `over`: to be told when it is. */
  readonly turn: (over: () => void) => PathTurn;
  /** Of the prompt, and which of them are not to be computed. */
  readonly promptTokens: number;
  readonly reusedTokens: number;
}

/**
 * Of plans that nobody waits for any more. Each keeps the body that it is of until what it waits for has ended, which on a share whose
 * server is gone may be never; and whoever came next would wait in vain as long.
 */
export const LATE_LIMIT = 64;

export class TurnBegins<P extends object> {
  readonly #options: TurnBeginsOptions<P>;
  readonly #underWay = new UnderWay();
  /** Plans that nobody waits for any more. */
  readonly #late = new Set<Promise<void>>();
  /** Those whose exchanges may still answer or abandon them. */
  readonly #open = new Set<PathTurn>();

  constructor(options: TurnBeginsOptions<P>) {
    this.#options = options;
  }

  begin(request: TurnRequest): Promise<BegunTurn> {
    return this.#underWay.run(() => this.#begin(request));
  }

  /** Idempotent. Begins nothing more, waits for what is being planned, and abandons the turns that nobody will answer any more. */
  async close(): Promise<void> {
    await this.#underWay.close();
    await Promise.all(this.#late);
    for (const turn of this.#open) turn.abandon();
  }

  async #begin(request: TurnRequest): Promise<BegunTurn> {
    const { clock, observer, pool } = this.#options;
    const beganAtMs = clock.now();
    this.#prefetch(request);
    const started = this.#start(request, await this.#planInTime(request));
    const isStarted = typeof started !== "string";
    observer.begun({
      pool,
      plan: isStarted ? "injected" : started,
      promptTokens: isStarted ? started.promptTokens : 0,
      reusedTokens: isStarted ? started.reusedTokens : 0,
      heldMs: clock.now() - beganAtMs,
    });
    if (!isStarted) return this.#pass(request, started);
    const { body, fallbacks, status, turn } = started;
    return { body, fallbacks, status, turn: this.#opened(turn) };
  }

  #prefetch({ prefetch: session }: TurnRequest): void {
    if (session === undefined) return;
    const { prefetcher, observer } = this.#options;
    prefetcher
      .prefetch({ session })
      .catch((reason: unknown) => observer.failed("prefetch", reason));
  }

  async #planInTime(request: TurnRequest): Promise<P | PassReason> {
    const { bodies, clock, observer, plan, discard } = this.#options;
    if (this.#late.size >= LATE_LIMIT) return "late";
    const over = new AbortController();
    const signal = AbortSignal.any([request.signal, over.signal]);
    const planning = plan({ ...request, signal }).catch((reason: unknown): PassReason => {
      observer.failed("begin", reason);
      return "failed";
    });
    const leftMs = bodies.untilMs(request.body) - clock.now();
    const planned = await inTime(planning, Math.max(0, leftMs), clock);
    if (planned !== undefined) return planned;
    over.abort();
    const late = planning.then((found) => {
      if (typeof found !== "string") discard(found);
      this.#late.delete(late);
    });
    this.#late.add(late);
    return "late";
  }

  #start(request: TurnRequest, planned: P | PassReason): StartedTurn | PassReason {
    if (typeof planned === "string") return planned;
    const { start, discard, observer } = this.#options;
    if (request.signal.aborted) {
      discard(planned);
      return "client_gone";
    }
    try {
      return start(request, planned);
    } catch (reason) {
      observer.failed("begin", reason);
      discard(planned);
      return "failed";
    }
  }

  #pass({ body, fallbacks, session, isFinal }: TurnRequest, status: PassReason): BegunTurn {
    const { passed } = this.#options;
    const turn = this.#opened(
      (over) =>
        new PassingTurn(() => {
          over();
          passed({ session, isFinal });
        }),
    );
    return { body: body.stripped, fallbacks, status, turn };
  }

  #opened(make: StartedTurn["turn"]): PathTurn {
    const turn: PathTurn = make(() => void this.#open.delete(turn));
    this.#open.add(turn);
    return turn;
  }
}
