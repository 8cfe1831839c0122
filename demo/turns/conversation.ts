/** One conversation: each of its turns says everything again that was said so far, as clients do. */
import type { Answer } from "./ask.ts";
import { ask } from "./ask.ts";

export interface Turn {
  readonly conversation: string;
  readonly prompt: string;
  readonly answer: Answer;
}

export interface ConversationOptions {
  readonly sessionId: string;
  readonly document: string;
  readonly url: string;
  readonly signal: AbortSignal;
}

export class Conversation {
  readonly sessionId: string;
  readonly #options: ConversationOptions;
  readonly #turns: Turn[] = [];
  #said: string;

  constructor(options: ConversationOptions) {
    this.sessionId = options.sessionId;
    this.#options = options;
    this.#said = options.document;
  }

  /** Oldest first; without what was cut. */
  get turns(): readonly Turn[] {
    return this.#turns;
  }

  /** The whole text of it, to which the next question is added. */
  get said(): string {
    return this.#said;
  }

  /** That answered last. */
  get engine(): string | undefined {
    return this.#turns.at(-1)?.answer.engine;
  }

  /** Undefined where the answer is cut: then nothing was said, and the client may ask again. */
  async ask(question: string, onFirstToken?: () => void): Promise<Turn | undefined> {
    const { url, signal } = this.#options;
    const prompt = this.#said + question;
    const hook = onFirstToken && { onFirstToken };
    const answer = await ask({ url, sessionId: this.sessionId, prompt, signal, ...hook });
    if (answer === undefined) return undefined;
    const turn = { conversation: this.sessionId, prompt, answer };
    this.#said = prompt + answer.text;
    this.#turns.push(turn);
    return turn;
  }
}
