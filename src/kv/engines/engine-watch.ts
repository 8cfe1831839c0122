/**
 * Watches one of SGLang's engines: what it says of itself, and what turns find of it.
 *
 * How long an answer may take is generous, because SGLang answers `/health` only after a token of its own: after a second where it
 * is idle, and after up to 20 where it is busy. A slow engine is the same engine, and whether it should get requests is for health
 * checks to say.
 */
import type { Random, Scheduler } from "../../clock.ts";
import type { EngineState } from "../path/engine-directory.ts";
import type { EngineTarget, OpenConnection } from "./engine-connection.ts";
import { EngineQuestions, type EngineQuestionsOptions } from "./engine-questions.ts";
import { type ProcessEvents, ProcessWatch } from "./process-watch.ts";
import { afterEncoded, afterMiscount, afterOtherWeights, UNKNOWN } from "./standing.ts";

export interface EngineWatchOptions extends Omit<EngineQuestionsOptions, "tested"> {
  readonly target: EngineTarget;
  readonly startDelayMs: number;
  readonly open: OpenConnection;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly events: WatchEvents;
}

export type WatchEvents = ProcessEvents<EngineState> & Pick<EngineQuestionsOptions, "tested">;

export class EngineWatch {
  readonly target: EngineTarget;
  readonly #watch: ProcessWatch<EngineState>;

  constructor(options: EngineWatchOptions) {
    const { events } = options;
    this.target = options.target;
    this.#watch = new ProcessWatch({
      ...options,
      unknown: UNKNOWN,
      questions: new EngineQuestions({ ...options, tested: (end) => events.tested(end) }),
      questionsPerConnection: undefined,
    });
  }

  get state(): EngineState {
    return this.#watch.state;
  }

  miscounted(): void {
    this.#watch.become(afterMiscount(this.state), undefined);
  }

  encoded(): void {
    this.#watch.become(afterEncoded(this.state), undefined);
  }

  /** Of an answer; `why`: what it says that the profile does not. */
  hasOtherWeights(why: string): void {
    this.#watch.become(afterOtherWeights(this.state), why);
  }

  /** Idempotent. */
  close(): void {
    this.#watch.close();
  }
}
