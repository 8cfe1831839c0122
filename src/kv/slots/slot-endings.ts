/** What becomes of seats once their turns are over: in the background, so that no client waits for it, and with failures that nobody but the log hears of. */
import type { EngineAnswer } from "../dialects/dialect.ts";
import type { AbortedEnd, PathObserver, TurnEnd } from "../path/path-observer.ts";
import type { Endings, ServedTurn } from "../path/path-turn.ts";
import type { SessionKey } from "../records.ts";
import type { TokenGuess } from "../tokens/token-guess.ts";
import { UnderWay } from "../turns/under-way.ts";
import type { Seat } from "./seat.ts";

export interface SlotEndingsOptions {
  readonly pool: string;
  /** The session is in use: it expires later. */
  readonly used: (session: SessionKey) => Promise<void>;
  /** It is over: what it lists is dropped, and its slots are erased. */
  readonly end: (session: SessionKey) => Promise<void>;
  readonly guess: Pick<TokenGuess, "counted">;
  readonly observer: Pick<PathObserver, "ended" | "failed">;
}

/** What is kept of a seated turn while its server answers. */
export interface OpenSeat extends ServedTurn, SessionScope {
  readonly seat: Seat;
  /** Of its prompt, where its tokens were guessed by them. */
  readonly guessedBytes: number | undefined;
}

interface SessionScope {
  readonly session: SessionKey;
  /** The session is over with this turn. */
  readonly isFinal: boolean;
}

const FAILED: ReadonlySet<AbortedEnd> = new Set(["engine_failed", "not_reported"]);

export class SlotEndings implements Endings<OpenSeat> {
  readonly #options: SlotEndingsOptions;
  readonly #underWay = new UnderWay();

  constructor(options: SlotEndingsOptions) {
    this.#options = options;
  }

  commit(open: OpenSeat, { promptTokens, completionTokens }: EngineAnswer): void {
    const { seat, guessedBytes } = open;
    if (promptTokens === undefined || completionTokens === undefined) {
      return this.abort(open, "uncounted");
    }
    if (guessedBytes !== undefined) this.#options.guess.counted(guessedBytes, promptTokens);
    // Of a session that is over nothing is worth saving.
    if (open.isFinal) seat.leave({ kind: "unknown" });
    else seat.leave({ kind: "answered", promptTokens, outputTokens: completionTokens });
    this.#ended("committed");
    this.#finish(open);
  }

  /** Who was there may be there still, as far as the server came; not so where it failed. */
  abort(open: OpenSeat, reason: AbortedEnd): void {
    open.seat.leave({ kind: FAILED.has(reason) ? "failed" : "unknown" });
    this.#ended(reason);
    this.#finish(open);
  }

  /** Of a turn without a seat. */
  pass(scope: SessionScope): void {
    if (scope.isFinal) this.#finish(scope);
  }

  /** Waits for what is begun here, and begins nothing any more. Idempotent. */
  close(): Promise<void> {
    return this.#underWay.close();
  }

  #finish({ session, isFinal }: SessionScope): void {
    const { used, end, observer } = this.#options;
    this.#underWay
      .run(() => (isFinal ? end(session) : used(session)))
      .catch((reason: unknown) => observer.failed("end", reason));
  }

  #ended(end: TurnEnd): void {
    this.#options.observer.ended({ pool: this.#options.pool, end });
  }
}
