/**
 * The turns of one pool whose engines keep KV in slots. A turn is seated in a slot of its endpoint's server, what is stored of its session is restored there, and its body
 * names the slot. Whatever goes wrong on our side leaves the request without a slot of its own: the server puts it where it likes, and computes what it was not given.
 */
import type { MaybePromise } from "../../affinity/binding-store.ts";
import type { Clock, Scheduler } from "../../clock.ts";
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { JsonVisitor } from "../../json/json-walk.ts";
import { unhurried } from "../../json/slices.ts";
import type { Dialect, ReadBody, TurnBody, UnreadableBody } from "../dialects/dialect.ts";
import { leadsToAny, SLOT_SERVER_PATHS } from "../path/forbidden-paths.ts";
import { HeldBodies } from "../path/held-bodies.ts";
import type { PassReason, PathObserver } from "../path/path-observer.ts";
import { InjectedTurn } from "../path/path-turn.ts";
import { SessionMaker, type SessionMakerOptions } from "../path/session-maker.ts";
import type { BegunTurn, KvPool, TurnRequest } from "../path/turn-path.ts";
import { type StartedTurn, TurnBegins } from "../path/turn-begins.ts";
import { TurnWatch, type WatchOptions } from "../path/turn-watch.ts";
import type { ToSnapshotPrompt } from "../snapshots/snapshot-prompt.ts";
import type { Prefetcher } from "../turns/prefetcher.ts";
import type { TokenGuess } from "../tokens/token-guess.ts";
import { rest } from "../turns/unhurried.ts";
import { promptTokensOf } from "./prompt-tokens.ts";
import type { Seat } from "./seat.ts";
import type { SlotDesks } from "./slot-desks.ts";
import { type OpenSeat, SlotEndings, type SlotEndingsOptions } from "./slot-endings.ts";
import type { SlotServers, SlotServerState } from "./slot-server.ts";

export interface SlotPoolOptions
  extends SessionMakerOptions, Omit<SlotEndingsOptions, "observer" | "guess"> {
  readonly pool: string;
  readonly bodyLimitBytes: number;
  readonly holdMs: number;
  /** Raw paths on which bodies pass unread. */
  readonly passPaths: readonly string[];
  readonly dialect: Dialect;
  readonly servers: SlotServers;
  readonly desks: Pick<SlotDesks, "seat">;
  readonly promptOf: ToSnapshotPrompt;
  /** Whoever else asks how long a prompt is has the same one. */
  readonly guess: TokenGuess;
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
  readonly #begins: TurnBegins<SeatedTurn>;

  constructor(options: SlotPoolOptions) {
    this.#options = options;
    this.bodyLimitBytes = options.bodyLimitBytes;
    this.holdMs = options.holdMs;
    this.#passPaths = new Set(options.passPaths);
    this.#bodies = new HeldBodies(options);
    this.#maker = new SessionMaker(options);
    this.#endings = new SlotEndings(options);
    this.#begins = new TurnBegins({
      ...options,
      bodies: this.#bodies,
      plan: (request) => this.#plan(request),
      discard: ({ seat }) => seat.leave({ kind: "unsent" }),
      start: (request, seated) => this.#seated(request, seated),
      passed: (scope) => this.#endings.pass(scope),
    });
  }

  forbids(path: string): boolean {
    return leadsToAny(path, SLOT_SERVER_PATHS);
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
    return this.#begins.begin(request);
  }

  /** Once every exchange is over. Waits for what is being planned, and gives up the seats of turns that nobody will answer any more. Idempotent. */
  async close(): Promise<void> {
    await this.#begins.close();
    await this.#endings.close();
  }

  async #plan(request: TurnRequest): Promise<SeatedTurn | PassReason> {
    const { pool, desks, promptOf, guess, clock, observer } = this.#options;
    const { session, endpoint, signal } = request;
    const { turn: body } = request.body;
    if (body.kind === "none") return body.reason;
    const known = this.#stateOf(endpoint);
    if (known.kind === "off") return known.reason;
    const unmade = await this.#maker.create(session, request);
    if (unmade !== undefined) return unmade;

    const fromMs = clock.now();
    const prompt = await unhurried(promptOf(body.prompt, body.context), () => rest(clock));
    const promptTokens = promptTokensOf(body.prompt, prompt, guess);
    const turnMs = this.#turnMs(body, promptTokens);
    const untilMs = this.#bodies.untilMs(request.body);
    const wanted = { session, prompt, promptTokens, untilMs, signal, turnMs };
    // By now it may be gone, or another process.
    const state = this.#stateOf(endpoint);
    if (state.kind === "off") return state.reason;
    const seat = await desks.seat(endpoint, state.server, wanted);
    observer.spent({ pool, part: "plan", elapsedMs: clock.now() - fromMs });
    return typeof seat === "string"
      ? seat
      : { body, seat, promptTokens, promptBytes: prompt.bytes.length };
  }

  #stateOf(endpoint: Endpoint): SlotServerState {
    const { servers, pool } = this.#options;
    return servers.server(pool, endpoint);
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

  #seated(
    request: TurnRequest,
    { body, seat, promptTokens, promptBytes }: SeatedTurn,
  ): StartedTurn {
    const { clock, observer, pool } = this.#options;
    const { session, isFinal, endpoint, fallbacks } = request;
    const fromMs = clock.now();
    const { pieces, openAnswer } = body.inject({ kind: "slot", slot: seat.slot });
    observer.spent({ pool, part: "inject", elapsedMs: clock.now() - fromMs });
    const storedTokens = Math.min(seat.reusedTokens, promptTokens);
    const shape = { promptTokens, storedTokens, maxNewTokens: body.maxNewTokens };
    const guessedBytes = body.prompt.kind === "ids" ? undefined : promptBytes;
    const open = { session, isFinal, endpoint, fallbacks, seat, guessedBytes };
    const watch = new TurnWatch({ session, shape, isGuessed: true }, this.#options);
    const endings = this.#endings;
    // Nothing in an answer is ours.
    const exposeKv = true;
    return {
      body: pieces,
      fallbacks,
      status: statusOf(seat),
      turn: (over) =>
        new InjectedTurn<OpenSeat>({ open, openAnswer, exposeKv, endings, watch, over }),
      promptTokens,
      reusedTokens: seat.reusedTokens,
    };
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
