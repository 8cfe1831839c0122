/**
 * Watches the process behind one endpoint over one connection: asks what it is, and then, at a steady pace, whether it is still
 * there. A process that ends loses its connections, so whatever ends the connection ends what was known of the process. Before it is ready, and
 * over the same connection, its tokenizer is tested.
 *
 * How long an answer may take is generous, because SGLang answers `/health` only after a token of its own: after a second where it
 * is idle, and after up to 20 where it is busy. A slow engine is the same engine, and whether it should get requests is for health
 * checks to say.
 */
import type { Cancel, Random, Scheduler } from "../../clock.ts";
import type { ModelProfile } from "../model/profile.ts";
import type { EngineState } from "../path/engine-directory.ts";
import type { EngineInstance } from "../records.ts";
import type { TokenizerProbe } from "../tokens/tokenizer-probes.ts";
import type {
  Answer,
  EngineConnection,
  EngineTarget,
  OpenConnection,
} from "./engine-connection.ts";
import {
  maxPromptTokens,
  parseSaid,
  profileDifferences,
  type Said,
  tellsUsage,
} from "./engine-profile.ts";
import {
  afterEncoded,
  afterIntroduction,
  afterMiscount,
  afterOtherWeights,
  OTHER_TOKENIZER,
  UNKNOWN,
} from "./standing.ts";
import { type TestEnd, TOKENIZE, TokenizerTest } from "./tokenizer-test.ts";

export interface EngineWatchOptions {
  readonly target: EngineTarget;
  readonly profile: ModelProfile;
  /** Of its tokenizer; none: it is not tested. */
  readonly probes: readonly TokenizerProbe[];
  readonly startDelayMs: number;
  readonly open: OpenConnection;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Never the same twice, in no process. */
  readonly newInstance: () => EngineInstance;
  readonly events: WatchEvents;
}

export interface WatchEvents {
  stateChanged(from: EngineState, to: EngineState, why: string | undefined): void;
  /** It has not said what it is since it was first asked: once. */
  unanswered(why: string): void;
  /** Each time that it is about to be ready. */
  tested(end: TestEnd): void;
}

/** From an answer to the next question, +- 10 %. Servers close connections that are idle for longer: SGLang after 5 s. */
export const ASK_INTERVAL_MS = 1_000;
/** To a question. */
export const ANSWER_TIMEOUT_MS = 30_000;
/** Weights may be changed without another process, so every so many questions are again what the engine is. */
export const QUESTIONS_PER_INTRODUCTION = 10;
/** Between two connections: the first one, doubled each time up to the last one, less up to half by chance. */
export const RETRY_MS = { first: 250, last: 10_000 } as const;

interface RunningTest {
  readonly test: TokenizerTest;
  readonly passed: EngineState;
}

const INTRODUCTION = "/get_server_info";
const HEALTH = "/health";

export class EngineWatch {
  readonly target: EngineTarget;
  readonly #options: EngineWatchOptions;
  #state: EngineState = UNKNOWN;
  #connection: EngineConnection | undefined;
  /** Of the connection. */
  #questions = 0;
  /** While it goes on: then the last question was one of its own. `passed`: what the engine is then. */
  #test: RunningTest | undefined;
  /** Connections in a row that ended before a second answer. */
  #failures = 0;
  /** Why there is no answer was told once; from then on, only what ends a known state is. */
  #isLossTold = false;
  /** One timer: for the next connection, the next question, or the end of patience with an answer. */
  #cancelTimer: Cancel | undefined;

  constructor(options: EngineWatchOptions) {
    this.target = options.target;
    this.#options = options;
    this.#after(options.startDelayMs, () => this.#connect());
  }

  get state(): EngineState {
    return this.#state;
  }

  miscounted(): void {
    this.#become(afterMiscount(this.#state), undefined);
  }

  encoded(): void {
    this.#become(afterEncoded(this.#state), undefined);
  }

  /** Of an answer; `why`: what it says that the profile does not. */
  hasOtherWeights(why: string): void {
    this.#become(afterOtherWeights(this.#state), why);
  }

  /** Idempotent. */
  close(): void {
    this.#cancelTimer?.();
    this.#connection?.close();
    this.#connection = undefined;
  }

  #connect(): void {
    this.#questions = 0;
    this.#test = undefined;
    const connection = this.#options.open(this.target, {
      answered: (answer) => this.#answered(answer),
      lost: (why) => this.#lost(why),
    });
    this.#connection = connection;
    this.#ask();
  }

  #ask(): void {
    this.#after(ANSWER_TIMEOUT_MS, () => this.#lost(`no answer in ${ANSWER_TIMEOUT_MS} ms`));
    this.#connection?.get(this.#question);
  }

  get #question(): string {
    return this.#questions % QUESTIONS_PER_INTRODUCTION === 0 ? INTRODUCTION : HEALTH;
  }

  #answered(answer: Answer): void {
    if (this.#test !== undefined) return this.#probed(this.#test, answer);
    const { status, text } = answer;
    const question = this.#question;
    if (status < 200 || status > 299) return this.#lost(`${status} from GET ${question}`);
    if (question === INTRODUCTION) {
      const said = parseSaid(text);
      if (said === undefined) return this.#lost(`no JSON object from GET ${question}`);
      if (this.#introduced(said) === "to be tested") return this.#probe();
    }
    this.#rest();
  }

  /** Until the next question. */
  #rest(): void {
    if (this.#questions > 0) this.#failures = 0;
    this.#questions++;
    const { random } = this.#options;
    this.#after(ASK_INTERVAL_MS * (0.9 + 0.2 * random()), () => this.#ask());
  }

  #introduced(said: Said): "known" | "to be tested" {
    const { newInstance, probes, profile } = this.#options;
    const differences = profileDifferences(said, profile);
    const matches = differences.length === 0;
    const why = matches ? undefined : differences.join("; ");
    const next = afterIntroduction(this.#state, {
      matches,
      tellsUsage: tellsUsage(said),
      maxPromptTokens: maxPromptTokens(said),
      newInstance,
    });
    const isTested = next === this.#state || next.kind === "off" || probes.length === 0;
    if (isTested) this.#become(next, why);
    else this.#test = { test: new TokenizerTest(probes), passed: next };
    return isTested ? "known" : "to be tested";
  }

  #probe(): void {
    const why = `no answer to POST ${TOKENIZE} in ${ANSWER_TIMEOUT_MS} ms`;
    this.#after(ANSWER_TIMEOUT_MS, () => this.#lost(why));
    this.#connection?.post(TOKENIZE, this.#test?.test.question ?? "");
  }

  /** What the engine answered to the last probe. */
  #probed({ test, passed }: RunningTest, answer: Answer): void {
    const end = test.answered(answer);
    if (end === undefined) return this.#probe();
    this.#test = undefined;
    this.#options.events.tested(end);
    if (end.result === "mismatch") this.#become(OTHER_TOKENIZER, end.why);
    else this.#become(passed, undefined);
    this.#rest();
  }

  #lost(why: string): void {
    this.close();
    const { random, events } = this.#options;
    const delayMs = Math.min(RETRY_MS.last, RETRY_MS.first * 2 ** this.#failures);
    this.#failures++;
    this.#after(delayMs * (0.5 + 0.5 * random()), () => this.#connect());
    if (this.#state !== UNKNOWN) this.#become(UNKNOWN, why);
    else if (!this.#isLossTold) events.unanswered(why);
    this.#isLossTold = true;
  }

  #become(state: EngineState, why: string | undefined): void {
    const from = this.#state;
    if (state === from) return;
    this.#state = state;
    this.#options.events.stateChanged(from, state, why);
  }

  #after(delayMs: number, task: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.scheduler.after(delayMs, task);
  }
}
