/** Turns as exchanges hold them while an engine answers: each is over once, whatever comes first. */
import type { AnswerForm, AnswerReader, InjectedBody } from "../dialects/dialect.ts";
import type { AbortedEnd } from "./path-observer.ts";
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { EngineAnswer } from "../dialects/dialect.ts";
import type { AnswerFilter, AnswerHead, PathTurn } from "./turn-path.ts";
import type { TurnWatch } from "./turn-watch.ts";

/** One that has nothing to load and nowhere to store. */
export class PassingTurn implements PathTurn {
  #over: (() => void) | undefined;

  /** `over`: told once. */
  constructor(over: () => void) {
    this.#over = over;
  }

  withholds(): boolean {
    return false;
  }

  answer(): undefined {
    this.abandon();
  }

  abandon(): void {
    this.#over?.();
    this.#over = undefined;
  }
}

/** What is kept of a turn while its engine answers. */
export interface ServedTurn {
  /** That it was planned for, and where Envoy may go on to. */
  readonly endpoint: Endpoint;
  readonly fallbacks: readonly Endpoint[];
}

/** What becomes of turns once their exchanges go on without them. Returns at once, and does not throw. */
export interface Endings<T extends ServedTurn> {
  /** Of a whole answer, by the engine that the turn was planned for and no other. */
  commit(open: T, answer: EngineAnswer): void;
  abort(open: T, reason: AbortedEnd): void;
  /** An answer of the engine there was encoded. Told before the abort; left out where that is all the same. */
  encoded?(endpoint: Endpoint): void;
}

export interface InjectedOptions<T extends ServedTurn> {
  readonly open: T;
  readonly openAnswer: InjectedBody["openAnswer"];
  readonly endings: Endings<T>;
  /** What is ours stays in what clients get. */
  readonly exposeKv: boolean;
  readonly watch: Pick<TurnWatch, "opened" | "chunk" | "ended">;
  /** Told once, when it is committed or aborted. */
  readonly over: () => void;
}

export class InjectedTurn<T extends ServedTurn> implements PathTurn {
  readonly #options: Omit<InjectedOptions<T>, "open">;
  /** Undefined once it was committed or aborted. */
  #open: T | undefined;
  #isAnswered = false;

  constructor({ open, ...options }: InjectedOptions<T>) {
    this.#options = options;
    this.#open = open;
  }

  withholds(head: AnswerHead): boolean {
    if (!isEncoded(head) || this.#options.exposeKv) return false;
    this.answer(head);
    return true;
  }

  answer(head: AnswerHead): AnswerFilter | undefined {
    this.#isAnswered = true;
    // What another engine answered says nothing of the one that may write.
    if (this.#open !== undefined && isServedBy(this.#open, head)) {
      this.#open = { ...this.#open, fallbacks: [] };
    }
    const flaw = flawOf(head, this.#open);
    if (isEncoded(head)) this.#tellEncoder(head);
    if (flaw !== undefined) this.#abort(flaw);
    if (isEncoded(head)) return undefined;
    const form = formOf(head);
    this.#options.watch.opened(form);
    const reader = this.#options.openAnswer(form);
    return { push: (chunk, isEnd) => this.#push(reader, chunk, isEnd) };
  }

  abandon(): void {
    this.#abort(this.#isAnswered ? "cut_short" : "unanswered");
  }

  #push(reader: AnswerReader, chunk: Uint8Array, isEnd: boolean): Uint8Array {
    this.#options.watch.chunk(chunk);
    const shown = reader.push(chunk);
    if (!isEnd) return shown;
    const { rest, answer } = reader.finish();
    if (answer === undefined) this.#abort("not_reported");
    else {
      this.#end((open) => {
        this.#options.endings.commit(open, answer);
        this.#options.watch.ended(answer);
      });
    }
    return rest.length === 0 ? shown : Buffer.concat([shown, rest]);
  }

  /** Whoever of them answered, and whatever else is wrong with that: its answers to other turns would be withheld as well. */
  #tellEncoder({ servedBy }: AnswerHead): void {
    if (this.#open === undefined) return;
    const { endpoint, fallbacks } = this.#open;
    const encoder = [endpoint, ...fallbacks].find(({ address }) => address === servedBy);
    if (encoder !== undefined) this.#options.endings.encoded?.(encoder);
  }

  #abort(reason: AbortedEnd): void {
    this.#end((open) => this.#options.endings.abort(open, reason));
  }

  #end(ending: (open: T) => void): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    ending(open);
    this.#options.over();
  }
}

/** Why nothing of the answer is committed, as far as its head says. */
function flawOf(head: AnswerHead, open: ServedTurn | undefined): AbortedEnd | undefined {
  if (!isSuccess(head.status)) return "engine_failed";
  if (head.attempts !== 1) return "retried";
  if (open !== undefined && head.servedBy !== open.endpoint.address) return "served_elsewhere";
  return isEncoded(head) ? "encoded" : undefined;
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

function isServedBy({ endpoint }: ServedTurn, { attempts, servedBy }: AnswerHead): boolean {
  return attempts === 1 && servedBy === endpoint.address;
}

function isEncoded({ contentEncoding }: AnswerHead): boolean {
  return !/^\s*(identity)?\s*$/i.test(contentEncoding);
}

function formOf({ status, contentType }: AnswerHead): AnswerForm {
  if (!isSuccess(status)) return "error";
  return /^\s*text\/event-stream\s*(;|$)/i.test(contentType) ? "events" : "json";
}
