/**
 * Watches the process behind one endpoint over one connection: asks what it is, and then, at a steady pace, whether it is still
 * there. A process that ends loses its connections, so whatever ends the connection ends what was known of the process.
 *
 * What is asked, and what an answer says of the process, are the engine's own: `Questions`. They come in rounds, one interval apart; within a
 * round the next question follows the answer at once. Some servers close a connection after so many questions: from such a one the watch goes
 * over to the next before that, and gives the old one up when the new one has answered and both were open at once, so that it was one process. Where the server has no room for another
 * connection, it stays with the old one, and tries again as long as that lasts.
 */
import type { Cancel, Random, Scheduler } from "../../clock.ts";
import type {
  Answer,
  EngineConnection,
  EngineTarget,
  OpenConnection,
} from "./engine-connection.ts";

/** To be told apart by identity: a state that is the same object is the same state. */
export interface ProcessWatchOptions<State> {
  readonly target: EngineTarget;
  /** Where each process starts, and where it is again as soon as its connection is lost. */
  readonly unknown: State;
  readonly questions: Questions<State>;
  /** After so many it goes over to another connection: well before the server ends this one. Undefined: it never does. */
  readonly questionsPerConnection: number | undefined;
  readonly startDelayMs: number;
  readonly open: OpenConnection;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly events: ProcessEvents<State>;
}

export interface ProcessEvents<State> {
  stateChanged(from: State, to: State, why: string | undefined): void;
  /** It has not said what it is since it was first asked: once. */
  unanswered(why: string): void;
}

/** With a JSON text, a POST. */
export interface Question {
  readonly path: string;
  readonly json?: string | undefined;
}

export interface Questions<State> {
  /** The first of a round. With an `introduction`, the process is asked what it is, as it is on each new connection; else whether it is there. */
  first(round: "introduction" | "presence"): Question;
  /** To the question before. Another question: asked at once. */
  answered(answer: Answer, state: State): Question | Finding<State>;
}

export type Finding<State> =
  | { readonly kind: "found"; readonly state: State; readonly why: string | undefined }
  /** It is not as one may expect of a process that is there: as if it were not. */
  | { readonly kind: "lost"; readonly why: string };

/** From an answer to the next question, +- 10 %. Servers close connections that are idle for longer: SGLang's and llama.cpp's after 5 s. */
export const ASK_INTERVAL_MS = 1_000;
/** To a question. */
export const ANSWER_TIMEOUT_MS = 30_000;
/** To the first question on another connection, while the one before is open: servers close connections that are idle for longer than some seconds. */
export const CHANGE_TIMEOUT_MS = 2_000;
/** Weights may be changed without another process, so every so many rounds are again what the engine is. */
export const QUESTIONS_PER_INTRODUCTION = 10;
/** Between two connections: the first one, doubled each time up to the last one, less up to half by chance. */
export const RETRY_MS = { first: 250, last: 10_000 } as const;

export class ProcessWatch<State> {
  readonly target: EngineTarget;
  readonly #options: ProcessWatchOptions<State>;
  #state: State;
  #connection: EngineConnection | undefined;
  /** On the connection. */
  #questions = 0;
  /** The one before, until the present one has answered. */
  #relieved: EngineConnection | undefined;
  /** Since the process is watched. */
  #rounds = 0;
  /** Connections in a row that ended before a second answer. */
  #failures = 0;
  /** Why there is no answer was told once; from then on, only what ends a known state is. */
  #isLossTold = false;
  /** One timer: for the next connection, the next question, or the end of patience with an answer. */
  #cancelTimer: Cancel | undefined;

  constructor(options: ProcessWatchOptions<State>) {
    this.target = options.target;
    this.#options = options;
    this.#state = options.unknown;
    this.#after(options.startDelayMs, () => this.#start());
  }

  get state(): State {
    return this.#state;
  }

  /** Something else than an answer has shown it. */
  become(state: State, why: string | undefined): void {
    const from = this.#state;
    if (state === from) return;
    this.#state = state;
    this.#options.events.stateChanged(from, state, why);
  }

  /** Idempotent. */
  close(): void {
    this.#cancelTimer?.();
    this.#connection?.close();
    this.#relieved?.close();
    this.#connection = undefined;
    this.#relieved = undefined;
  }

  #start(): void {
    this.#rounds = 0;
    this.#connect();
    this.#begin();
  }

  #connect(): void {
    this.#questions = 0;
    const connection = this.#options.open(this.target, {
      answered: (answer) => this.#answered(answer),
      lost: (why) => {
        const isNext = this.#relieved !== undefined && connection === this.#connection;
        if (isNext) this.#stay();
        else this.#lost(why);
      },
    });
    this.#connection = connection;
  }

  /** With the connection that had its questions. */
  #stay(): void {
    this.#connection?.close();
    this.#connection = this.#relieved;
    this.#relieved = undefined;
    this.#questions = this.#options.questionsPerConnection ?? 0;
    this.#ask(this.#options.questions.first("presence"));
  }

  #begin(): void {
    const { questionsPerConnection = Infinity, questions } = this.#options;
    const isWorn = this.#questions >= questionsPerConnection;
    if (isWorn) {
      this.#relieved = this.#connection;
      this.#connect();
    }
    const isIntroduction = isWorn || this.#rounds % QUESTIONS_PER_INTRODUCTION === 0;
    this.#ask(questions.first(isIntroduction ? "introduction" : "presence"));
  }

  #ask({ path, json }: Question): void {
    if (this.#relieved === undefined) {
      const what = json === undefined ? "" : ` to POST ${path}`;
      const why = `no answer${what} in ${ANSWER_TIMEOUT_MS} ms`;
      this.#after(ANSWER_TIMEOUT_MS, () => this.#lost(why));
    } else this.#after(CHANGE_TIMEOUT_MS, () => this.#stay());
    this.#questions++;
    if (json === undefined) this.#connection?.get(path);
    else this.#connection?.post(path, json);
  }

  #answered(answer: Answer): void {
    const next = this.#options.questions.answered(answer, this.#state);
    if (!("kind" in next)) return this.#ask(next);
    if (next.kind === "lost") return this.#lost(next.why);
    this.#relieved?.close();
    this.#relieved = undefined;
    this.become(next.state, next.why);
    this.#rest();
  }

  /** Until the next round. */
  #rest(): void {
    if (this.#rounds > 0) this.#failures = 0;
    this.#rounds++;
    const { random } = this.#options;
    this.#after(ASK_INTERVAL_MS * (0.9 + 0.2 * random()), () => this.#begin());
  }

  #lost(why: string): void {
    this.close();
    const { random, events, unknown } = this.#options;
    const delayMs = Math.min(RETRY_MS.last, RETRY_MS.first * 2 ** this.#failures);
    this.#failures++;
    this.#after(delayMs * (0.5 + 0.5 * random()), () => this.#start());
    if (this.#state !== unknown) this.become(unknown, why);
    else if (!this.#isLossTold) events.unanswered(why);
    this.#isLossTold = true;
  }

  #after(delayMs: number, task: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.scheduler.after(delayMs, task);
  }
}
