/** From a body to a plan: the tokens of its prompt, its session, made at its first turn, and what the desk plans for both. */
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { ChatPrompt, Dialect, TurnBody } from "../dialects/dialect.ts";
import type { Model } from "../turns/models.ts";
import type { Reaches } from "../reach.ts";
import type { EngineInstance } from "../records.ts";
import type { PlannedText, TextSequence, TokenSequence } from "../turns/token-sequence.ts";
import type { TurnDesk } from "../turns/turn-desk.ts";
import type { TurnPlan } from "../turns/turn-plan.ts";
import type { Predictor } from "../prediction/predictor.ts";
import type { Hold } from "../readahead/gate.ts";
import type { EngineDirectory, EngineState } from "./engine-directory.ts";
import type { PassReason, PathObserver, TurnPart } from "./path-observer.ts";
import type { Resident, ResidentTokens } from "./resident-tokens.ts";
import { SessionMaker, type SessionMakerOptions } from "./session-maker.ts";
import type { TurnRequest } from "./turn-path.ts";
import type { TurnPrompts } from "./turn-prompts.ts";

export interface PlannerOptions extends SessionMakerOptions {
  readonly pool: string;
  /** Of sessions that are made here, and of the pool's engines. */
  readonly model: Pick<Model, "geometry" | "rules"> & { readonly name: string };
  readonly dialect: Pick<Dialect, "loadsAlone">;
  readonly engines: Pick<EngineDirectory, "engine">;
  readonly reaches: Pick<Reaches, "of">;
  readonly turns: Pick<TurnDesk, "plan">;
  readonly observer: Pick<PathObserver, "failed" | "spent">;
  /** Of times to the first token. */
  readonly predictor: Pick<Predictor, "predict">;
  /** What engines may have themselves: nobody waits for that. */
  readonly resident: Pick<ResidentTokens, "of">;
  /** Of which a turn may wait for its KV for a share. */
  readonly holdMs: number;
  readonly clock: Clock;
}

/** What is left of it, until planning is late, is for the plan itself. */
const HOLDING_SHARE = 0.6;

/** With something to load, or somewhere to store. */
export interface PlannedTurn {
  readonly body: TurnBody;
  /** For which it was planned. */
  readonly instance: EngineInstance;
  readonly plan: TurnPlan;
  /** For the commit: nothing of a text hangs on it. */
  readonly prompt: TokenSequence | PlannedText;
  /** To be sent in place of the text. */
  readonly inputIds: Uint32Array | undefined;
}

export class TurnPlanner {
  readonly #options: PlannerOptions;
  readonly #prompts: Pick<TurnPrompts, "of">;
  readonly #maker: SessionMaker;

  constructor(options: PlannerOptions, prompts: Pick<TurnPrompts, "of">) {
    this.#options = options;
    this.#prompts = prompts;
    this.#maker = new SessionMaker(options);
  }

  /** Rejects for a bug only. */
  async plan(request: TurnRequest): Promise<PlannedTurn | PassReason> {
    const { engines, pool, clock, holdMs } = this.#options;
    const untilMs = clock.now() + holdMs * HOLDING_SHARE;
    const { turn: body } = request.body;
    if (body.kind === "none") return body.reason;
    const engine = engines.engine(pool, request.endpoint);
    if (engine.kind === "off") return engine.reason;
    if (!isReadAlike(body, engine)) return "tokenizer_mismatch";
    const encoded = await this.#timed("tokens", () => this.#prompts.of(body));
    if (encoded.kind === "unencoded") return encoded.reason;

    const { prompt, inputIds } = encoded;
    const { instance } = engine;
    const asked = { body, prompt, instance, untilMs };
    const plan = await this.#timed("plan", () => this.#planOrCreate(request, asked));
    if (typeof plan === "string") return plan;
    const isLoaded = plan.stored.length > 0 && this.#options.dialect.loadsAlone;
    if (plan.fresh.kind === "none" && !isLoaded) return plan.fresh.reason;
    const kept = prompt.kind === "text" ? plan.text : prompt;
    if (kept === undefined) throw new AppError("internal", "a text was planned without its ends");
    return { body, instance, plan, prompt: kept, inputIds };
  }

  async #planOrCreate(request: TurnRequest, asked: Asked): Promise<TurnPlan | PassReason> {
    const { session, endpoint } = request;
    const { body, prompt, instance: engine } = asked;
    const geometry = this.#options.model.geometry(prompt.kind);
    // Where the engine tokenises, the ids of its answer are none of the chain: as text they may be spelled by others.
    const maxNewTokens = prompt.kind === "engine" ? (body.maxNewTokens ?? 0) : 0;
    const reach = this.#options.reaches.of(endpoint);
    const hold = this.#hold(request, asked);
    const wanted = { session, prompt, maxNewTokens, engine, geometry, reach, hold };
    const plan = await this.#options.turns.plan(wanted);
    if (plan.limit !== "no_session") return plan;
    return (await this.#maker.create(session, request)) ?? this.#options.turns.plan(wanted);
  }

  #hold({ session, signal }: TurnRequest, { body, prompt, instance, untilMs }: Asked): Hold {
    const { predictor, resident } = this.#options;
    const { maxNewTokens } = body;
    const promptTokens = prompt.kind === "text" ? prompt.guessedTokens : prompt.ids.length;
    let kept: Resident | undefined;
    const turnMs = (stored: number): number | undefined => {
      kept ??= resident.of({ session, engine: instance, prompt });
      const storedTokens = Math.min(stored, promptTokens);
      return predictor.predict({ promptTokens, storedTokens, ...kept, maxNewTokens }).times?.ttftMs;
    };
    return { signal, untilMs, turnMs };
  }

  async #timed<T>(part: TurnPart, work: () => Promise<T>): Promise<T> {
    const { clock, observer, pool } = this.#options;
    const fromMs = clock.now();
    try {
      return await work();
    } finally {
      observer.spent({ pool, part, elapsedMs: clock.now() - fromMs });
    }
  }
}

/** Whether the engine makes the same tokens of such a prompt as we do. */
export function isReadAlike({ prompt }: TurnBody, engine: EngineState): boolean {
  if (engine.kind === "off") return false;
  return engine.hasOtherTools !== true || prompt.kind !== "chat" || !hasTools(prompt.chat);
}

/** Messages may declare some too. */
function hasTools({ tools, messages }: ChatPrompt): boolean {
  return tools !== undefined || messages.some((message) => Array.isArray(message["tools"]));
}

interface Asked {
  readonly body: TurnBody;
  readonly prompt: TokenSequence | TextSequence;
  readonly instance: EngineInstance;
  /** Monotonic: it is held no longer. */
  readonly untilMs: number;
}
