/**
 * The turns of one pool whose engines keep KV in slots. A turn is seated in a slot of its endpoint's server, what is stored of its session is restored there, and its body
 * names the slot. Whatever goes wrong on our side leaves the request without a slot of its own: the server puts it where it likes, and computes what it was not given.
 */
import type { MaybePromise } from "../../affinity/binding-store.ts";
import type { Clock, Scheduler } from "../../clock.ts";
import type { JsonVisitor } from "../../json/json-walk.ts";
import { unhurried } from "../../json/slices.ts";
import type { Dialect, ReadBody, TurnBody, UnreadableBody } from "../dialects/dialect.ts";
import { inTime } from "../in-time.ts";
import { HeldBodies } from "../path/held-bodies.ts";
import type { PassReason, PathObserver } from "../path/path-observer.ts";
import { InjectedTurn, PassingTurn } from "../path/path-turn.ts";
import { SessionMaker, type SessionMakerOptions } from "../path/session-maker.ts";
import type { BegunTurn, KvPool, PathTurn, TurnRequest } from "../path/turn-path.ts";
import { TurnWatch, type WatchOptions } from "../path/turn-watch.ts";
import type { SnapshotPrompt, ToSnapshotPrompt } from "../snapshots/snapshot-prompt.ts";
import type { Prefetcher } from "../turns/prefetcher.ts";
import { TokenGuess } from "../tokens/token-guess.ts";
import { rest } from "../turns/unhurried.ts";
import { UnderWay } from "../turns/under-way.ts";
import { isForbiddenPath } from "./forbidden-paths.ts";
import type { Seat } from "./seat.ts";
import type { SlotDesks } from "./slot-desks.ts";
import { type OpenSeat, SlotEndings, type SlotEndingsOptions } from "./slot-endings.ts";
import type { SlotServers } from "./slot-server.ts";

export interface SlotPoolOptions
  extends SessionMakerOptions, Omit<SlotEndingsOptions, "observer" | "guess"> {
  readonly pool: string;
  readonly bodyLimitBytes: number;
  readonly holdMs: number;
  /** Raw paths on which bodies pass unread. */
  readonly passPaths: readonly string[];
  readonly dialect: Dialect;
  readonly servers: SlotServers;
  readonly desks: Pick<SlotDesks, "of">;
  readonly promptOf: ToSnapshotPrompt;
  readonly predictor: WatchOptions["predictor"];
  readonly prefetcher: Pick<Prefetcher, "prefetch">;
  readonly observer: PathObserver;
  readonly clock: Clock & Scheduler;
}

export class SlotPool implements KvPool {
  readonly bodyLimitBytes: number;
  readonly holdMs: number;
  readonly #options: SlotPoolOptions;
  readonly #passPaths: ReadonlySet<string>;
  readonly #bodies: HeldBodies;
  readonly #maker: SessionMaker;
  readonly #endings: SlotEndings;
  readonly #guess = new TokenGuess();
  readonly #begins = new UnderWay();
  /** Those whose exchanges may still answer or abandon them. */
  readonly #open = new Set<PathTurn>();

  constructor(options: SlotPoolOptions) {
    this.#options = options;
    this.bodyLimitBytes = options.bodyLimitBytes;
    this.holdMs = options.holdMs;
    this.#passPaths = new Set(options.passPaths);
    this.#bodies = new HeldBodies(options);
    this.#maker = new SessionMaker(options);
    this.#endings = new SlotEndings({ ...options, guess: this.#guess });
  }

  forbids(path: string): boolean {
    return isForbiddenPath(path);
  }

  passes(rawPath: string): boolean {
    return this.#passPaths.has(rawPath);
  }

  readBody(
    path: string,
    body: Uint8Array,
    also?: JsonVisitor,
  ): MaybePromise<ReadBody | UnreadableBody> {
    return this.#bodies.read(path, body, also);
  }

  /** A session's snapshots are brought to whichever endpoint it comes to. */
  weigh(): undefined {
    return undefined;
  }

  begin(request: TurnRequest): Promise<BegunTurn> {
    return this.#begins.run(() => this.#begin(request));
  }

  /** Once every exchange is over. Waits for what is being planned, and gives up the seats of turns that nobody will answer any more. Idempotent. */
  async close(): Promise<void> {
    await this.#begins.close();
    for (const turn of this.#open) turn.abandon();
    await this.#endings.close();
  }

  async #begin(request: TurnRequest): Promise<BegunTurn> {
    const { clock, observer, pool } = this.#options;
    const beganAtMs = clock.now();
    this.#prefetch(request);
    const planned = await this.#planInTime(request);
    const isSeated = typeof planned !== "string";
    observer.begun({
      pool,
      plan: isSeated ? "injected" : planned,
      promptTokens: isSeated ? planned.promptTokens : 0,
      reusedTokens: isSeated ? planned.seat.reusedTokens : 0,
      heldMs: clock.now() - beganAtMs,
    });
    return isSeated ? this.#seated(request, planned) : this.#pass(request, planned);
  }

  #prefetch({ prefetch: session }: TurnRequest): void {
    if (session === undefined) return;
    const { prefetcher, observer } = this.#options;
    prefetcher
      .prefetch({ session })
      .catch((reason: unknown) => observer.failed("prefetch", reason));
  }

  async #planInTime(request: TurnRequest): Promise<SeatedTurn | PassReason> {
    const { clock, observer } = this.#options;
    const untilMs = this.#bodies.untilMs(request.body);
    const planning = this.#plan(request, untilMs).catch((reason: unknown): PassReason => {
      observer.failed("begin", reason);
      return "failed";
    });
    const planned = await inTime(planning, Math.max(0, untilMs - clock.now()), clock);
    if (planned !== undefined) return planned;
    void planning.then((late) => typeof late === "string" || late.seat.leave({ kind: "unsent" }));
    return "late";
  }

  async #plan(request: TurnRequest, untilMs: number): Promise<SeatedTurn | PassReason> {
    const { servers, pool, desks, promptOf, clock, observer } = this.#options;
    const { session, endpoint, signal } = request;
    const { turn: body } = request.body;
    if (body.kind === "none") return body.reason;
    const state = servers.server(pool, endpoint);
    if (state.kind === "off") return state.reason;
    const unmade = await this.#maker.create(session, request);
    if (unmade !== undefined) return unmade;

    const fromMs = clock.now();
    const prompt = await unhurried(promptOf(body.prompt, body.context), () => rest(clock));
    const promptTokens = this.#tokensOf(body, prompt);
    const turnMs = this.#turnMs(body, promptTokens);
    const wanted = { session, prompt, promptTokens, untilMs, signal, turnMs };
    const seat = await desks.of(endpoint, state.server).seat(wanted);
    observer.spent({ pool, part: "plan", elapsedMs: clock.now() - fromMs });
    return typeof seat === "string"
      ? seat
      : { body, seat, promptTokens, promptBytes: prompt.bytes.length };
  }

  #tokensOf({ prompt }: TurnBody, { bytes }: SnapshotPrompt): number {
    return prompt.kind === "ids" ? prompt.ids.length : this.#guess.of(bytes.length);
  }

  #turnMs(
    { maxNewTokens }: TurnBody,
    promptTokens: number,
  ): (stored: number) => number | undefined {
    const { predictor } = this.#options;
    return (stored) => {
      const storedTokens = Math.min(stored, promptTokens);
      return predictor.predict({ promptTokens, storedTokens, maxNewTokens }).times?.ttftMs;
    };
  }

  #seated(request: TurnRequest, { body, seat, promptTokens, promptBytes }: SeatedTurn): BegunTurn {
    const { clock, observer, pool } = this.#options;
    const { session, isFinal, endpoint, fallbacks } = request;
    const fromMs = clock.now();
    const { pieces, openAnswer } = body.inject({ kind: "slot", slot: seat.slot });
    observer.spent({ pool, part: "inject", elapsedMs: clock.now() - fromMs });
    const storedTokens = Math.min(seat.reusedTokens, promptTokens);
    const shape = { promptTokens, storedTokens, maxNewTokens: body.maxNewTokens };
    const guessedBytes = body.prompt.kind === "ids" ? undefined : promptBytes;
    const turn: InjectedTurn<OpenSeat> = new InjectedTurn({
      open: { session, isFinal, endpoint, fallbacks, seat, guessedBytes },
      openAnswer,
      // Nothing in an answer is ours.
      exposeKv: true,
      endings: this.#endings,
      watch: new TurnWatch({ session, shape, isGuessed: true }, this.#options),
      over: () => void this.#open.delete(turn),
    });
    this.#open.add(turn);
    return { body: pieces, fallbacks, status: statusOf(seat), turn };
  }

  #pass({ body, fallbacks, session, isFinal }: TurnRequest, status: PassReason): BegunTurn {
    const turn = new PassingTurn(() => {
      this.#open.delete(turn);
      this.#endings.pass({ session, isFinal });
    });
    this.#open.add(turn);
    return { body: body.stripped, fallbacks, status, turn };
  }
}

interface SeatedTurn {
  readonly body: TurnBody;
  readonly seat: Seat;
  readonly promptTokens: number;
  /** Of the prompt as snapshots are found by it. */
  readonly promptBytes: number;
}

function statusOf({ slot, from, why, reusedTokens }: Seat): string {
  const reason = why === undefined ? "" : ` why=${why}`;
  return `reused=${reusedTokens} slot=${slot} from=${from}${reason}`;
}
