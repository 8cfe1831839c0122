/**
 * What becomes of injected turns once their exchanges go on without them: in the background, so that no client waits for it, and
 * with failures that nobody but the log hears of. A turn that could be neither committed nor aborted ends by its deadline.
 *
 * An exchange sends the end of an answer with the event loop's next turn. So that is waited for too: what a commit does before it
 * first waits for a disk would otherwise come before the client's last bytes.
 */
import type { Scheduler } from "../../clock.ts";
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { EngineAnswer } from "../dialects/dialect.ts";
import type { EngineInstance, SessionKey, TurnId } from "../records.ts";
import type { PromptTokens } from "../tokens/prompt-tokens.ts";
import type { CountedText, PlannedText, TokenSequence } from "../turns/token-sequence.ts";
import type { TurnDesk } from "../turns/turn-desk.ts";
import { UnderWay } from "../turns/under-way.ts";
import { rest } from "../turns/unhurried.ts";
import type { EngineDirectory } from "./engine-directory.ts";
import type { AbortedEnd, PathCall, PathObserver, TurnEnd } from "./path-observer.ts";
import type { Endings, ServedTurn } from "./path-turn.ts";
import type { ResidentTokens } from "./resident-tokens.ts";
import type { PlannedTurn } from "./turn-planner.ts";

export interface EndingsOptions {
  readonly pool: string;
  readonly turns: Pick<TurnDesk, "commit" | "abort" | "end">;
  readonly engines: EngineDirectory;
  readonly tokens: Pick<PromptTokens, "counted">;
  readonly resident: Pick<ResidentTokens, "keep">;
  readonly observer: Pick<PathObserver, "ended" | "failed">;
  readonly clock: Scheduler;
}

/** What is kept of a turn while its engine answers. */
export interface OpenTurn extends TurnScope, ServedTurn {
  /** Undefined: there is nowhere to store. */
  readonly turn: TurnId | undefined;
  readonly prompt: TokenSequence | PlannedText;
  /** As of its plan. */
  readonly storedTokens: number;
  readonly engine: EngineInstance;
  /** The id of the engine's own session. */
  readonly engineSession: string;
}

export interface TurnScope {
  readonly session: SessionKey;
  /** The session is over with this turn. */
  readonly isFinal: boolean;
}

export class TurnEndings implements Endings<OpenTurn> {
  readonly #options: EndingsOptions;
  readonly #underWay = new UnderWay();

  constructor(options: EndingsOptions) {
    this.#options = options;
  }

  /** Of a whole answer, by the engine that the turn was planned for and no other. */
  commit(open: OpenTurn, answer: EngineAnswer): void {
    const { engines, pool } = this.#options;
    const { promptTokens, weightVersion } = answer;
    if (!engines.confirmsWeights(pool, open.endpoint, weightVersion)) {
      return this.abort(open, "other_weights");
    }
    if (promptTokens === undefined) return this.abort(open, "uncounted");
    if (!isPossible(promptTokens, open)) return this.#miscounted(open, promptTokens);
    const { prompt } = open;
    if (prompt.kind !== "text") return this.#run(() => this.#commit(open, answer, prompt));
    if (!this.#mayBeCutOff(open, promptTokens)) {
      this.#options.tokens.counted?.(prompt.bytes, promptTokens);
    }
    this.#run(() => this.#commit(open, answer, { ...prompt, promptTokens }));
  }

  abort(open: OpenTurn, reason: AbortedEnd): void {
    this.#run(async () => {
      const { turn } = open;
      if (turn !== undefined) await this.#try("abort", (turns) => turns.abort(turn, reason));
      this.#ended(reason);
      // Whoever may have served it: nobody knows for sure.
      for (const endpoint of [open.endpoint, ...open.fallbacks]) this.#closeSession(endpoint, open);
      await this.#finish(open);
    });
  }

  /** Nobody can read what it says. */
  encoded(endpoint: Endpoint): void {
    const { engines, pool } = this.#options;
    engines.encoded(pool, endpoint);
  }

  /** What was planned is not sent to any engine. */
  discard({ plan: { fresh } }: Pick<PlannedTurn, "plan">): void {
    if (fresh.kind === "none") return;
    const { turn } = fresh;
    this.#run(async () => {
      await this.#try("abort", (turns) => turns.abort(turn, "unsent"));
    });
  }

  /** Of a turn that was not injected. */
  pass(scope: TurnScope): void {
    if (scope.isFinal) this.#run(() => this.#finish(scope));
  }

  /** Waits for what is begun here, and begins nothing any more. Idempotent. */
  close(): Promise<void> {
    return this.#underWay.close();
  }

  /**
   * Engines cut off what is too long for them, so a lower count proves nothing against one that takes no prompt as long as this is.
   * No count does where the engine was given ids: it made none itself.
   */
  #miscounted(open: OpenTurn, promptTokens: number): void {
    const { engines, pool } = this.#options;
    const { prompt, endpoint } = open;
    const limit = this.#limitOf(endpoint);
    const least = leastTokens(open);
    const isCutOff = promptTokens < least && least > limit;
    if (prompt.kind !== "engine" && !isCutOff) engines.miscounted(pool, endpoint);
    this.abort(open, "miscounted");
  }

  /** Then it may be the count of the prompt's first tokens alone. Listed as fewer than it has, the text is listed rightly. */
  #mayBeCutOff({ endpoint }: OpenTurn, promptTokens: number): boolean {
    return promptTokens >= this.#limitOf(endpoint);
  }

  /** The most tokens of a prompt that the engine reads, as far as anybody knows. */
  #limitOf(endpoint: Endpoint): number {
    const { engines, pool } = this.#options;
    const engine = engines.engine(pool, endpoint);
    return (engine.kind === "ready" ? engine.maxPromptTokens : undefined) ?? Infinity;
  }

  async #commit(
    open: OpenTurn,
    { outputIds = [], segments }: EngineAnswer,
    prompt: TokenSequence | CountedText,
  ): Promise<void> {
    const { engines, pool, resident } = this.#options;
    const { turn, endpoint } = open;
    resident.keep(open, outputIds);
    if (turn === undefined) this.#ended("unreserved");
    else {
      const engine = async () => {
        const state = engines.engine(pool, endpoint);
        return state.kind === "ready" ? state.instance : undefined;
      };
      // The planner has reserved nothing for the answers to prompts that engines tokenise.
      const output = prompt.kind === "engine" ? outputIds : [];
      const report = { turn, prompt, output, segments, engine };
      const outcome = await this.#try("commit", (turns) => turns.commit(report));
      if (outcome?.kind === "accepted") {
        this.#ended("committed");
        await outcome.settled;
      } else {
        this.#ended(outcome?.reason ?? "failed");
        await this.#try("abort", (turns) => turns.abort(turn, "not_reported"));
      }
    }
    this.#closeSession(endpoint, open);
    await this.#finish(open);
  }

  async #finish({ session, isFinal }: TurnScope): Promise<void> {
    if (isFinal) await this.#try("end", (turns) => turns.end(session));
  }

  async #try<T>(
    call: PathCall,
    work: (turns: EndingsOptions["turns"]) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await work(this.#options.turns);
    } catch (reason) {
      this.#options.observer.failed(call, reason);
      return undefined;
    }
  }

  #run(ending: () => Promise<void>): void {
    const { clock, observer } = this.#options;
    const afterAnswer = async () => {
      await rest(clock);
      await ending();
    };
    this.#underWay.run(afterAnswer).catch((reason: unknown) => observer.failed("end", reason));
  }

  #ended(end: TurnEnd): void {
    this.#options.observer.ended({ pool: this.#options.pool, end });
  }

  #closeSession(endpoint: Endpoint, { engineSession }: OpenTurn): void {
    this.#options.engines.closeSession(endpoint, engineSession);
  }
}

function isPossible(promptTokens: number, open: OpenTurn): boolean {
  const least = leastTokens(open);
  return open.prompt.kind === "text" ? promptTokens >= least : promptTokens === least;
}

/** That the prompt has, as far as is known of it. A text that shares tokens with an earlier one goes on behind them. */
function leastTokens({ prompt, storedTokens }: OpenTurn): number {
  if (prompt.kind !== "text") return prompt.ids.length;
  return storedTokens > 0 ? storedTokens + 1 : 0;
}
