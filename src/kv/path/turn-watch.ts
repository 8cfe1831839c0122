/** Times one turn, from the release of its request to the end of its answer, and shows its predictor how it was. */
import type { Clock } from "../../clock.ts";
import type { AnswerForm, EngineAnswer } from "../dialects/dialect.ts";
import type { ObservedTurn, Prediction, TurnShape } from "../prediction/prediction.ts";
import type { Predictor } from "../prediction/predictor.ts";
import type { SessionKey } from "../records.ts";
import type { PathObserver } from "./path-observer.ts";

export interface WatchOptions {
  readonly pool: string;
  readonly predictor: Pick<Predictor, "predict" | "observe">;
  readonly clock: Clock;
  readonly observer: Pick<PathObserver, "measured">;
}

export interface WatchedTurn {
  readonly session: SessionKey;
  readonly shape: TurnShape;
  /** Its prompt's tokens are, until the engine has counted them. */
  readonly isGuessed: boolean;
}

export class TurnWatch {
  readonly #options: WatchOptions;
  readonly #session: SessionKey;
  readonly #shape: TurnShape;
  readonly #isGuessed: boolean;
  readonly #prediction: Prediction;
  readonly #releasedAtMs: number;
  #isStreamed = false;
  /** Since the release. */
  #firstTokenMs: number | undefined;

  /** When the request is released. */
  constructor({ session, shape, isGuessed }: WatchedTurn, options: WatchOptions) {
    this.#options = options;
    this.#session = session;
    this.#shape = shape;
    this.#isGuessed = isGuessed;
    this.#prediction = options.predictor.predict(shape);
    this.#releasedAtMs = options.clock.now();
  }

  opened(form: AnswerForm): void {
    this.#isStreamed = form === "events";
  }

  /** Of the answer, each as it comes. */
  chunk(chunk: Uint8Array): void {
    if (this.#firstTokenMs === undefined && hasToken(chunk)) this.#firstTokenMs = this.#elapsedMs();
  }

  /** With a whole answer. One that does not count all its tokens, or the prompt's as we do, teaches nothing. */
  ended({ promptTokens, cachedTokens, completionTokens: outputTokens }: EngineAnswer): void {
    if (promptTokens === undefined) return;
    if (promptTokens !== this.#shape.promptTokens && !this.#isGuessed) return;
    if (cachedTokens === undefined || outputTokens === undefined) return;
    const { pool, predictor, observer } = this.#options;
    const ttftMs = this.#isStreamed ? this.#firstTokenMs : undefined;
    const totalMs = this.#elapsedMs();
    const counts = { promptTokens, cachedTokens, outputTokens };
    const turn: ObservedTurn = { ...this.#shape, ...counts, ttftMs, totalMs };
    const errors = predictor.observe(turn, this.#prediction);
    if (errors === undefined) return;
    observer.measured({ pool, session: this.#session, turn, prediction: this.#prediction, errors });
  }

  #elapsedMs(): number {
    return this.#options.clock.now() - this.#releasedAtMs;
  }
}

const COLON = 0x3a;

/** Before its first token, a stream may have comments, which keep it open, and events that tell how much of the prompt is read (`return_progress` of llama.cpp). */
function hasToken({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
  const chunk = Buffer.from(buffer, byteOffset, byteLength);
  return byteLength > 0 && chunk[0] !== COLON && !chunk.includes('"prompt_progress"');
}
