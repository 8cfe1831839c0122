/**
 * Waits for the other side of a body, so that no peer holds its buffers longer than it may: each chunk has to be taken, or sent,
 * within `idleTimeoutMs`, and the whole body before a deadline. A body that breaks this, or whose connection goes, is cut: the
 * connection is destroyed, because HTTP has no other way to say that what was sent so far is not all.
 */
import type { ServerResponse } from "node:http";

import type { Cancel, Scheduler } from "../../clock.ts";

/** What a body is moved in, so that the slowest peer does `CHUNK_BYTES` per `idleTimeoutMs`. */
export const CHUNK_BYTES = 1024 * 1024;

/** `aborted`: the peer went; `idle`: it stood still; `overdue`: the time for the whole was over. */
export type CutReason = "aborted" | "idle" | "overdue";

export class BodyCut extends Error {
  override readonly name = "BodyCut";
  readonly reason: CutReason;

  constructor(reason: CutReason) {
    super(`the body was cut: ${reason}`);
    this.reason = reason;
  }
}

export interface WatchOptions {
  /** Of the request whose body this is, or which is the body itself. */
  readonly response: ServerResponse;
  readonly scheduler: Scheduler;
  readonly idleTimeoutMs: number;
  readonly limitMs: number;
}

export type Settle = (error?: Error | null) => void;

export class BodyWatch {
  readonly #options: WatchOptions;
  readonly #cancelLimit: Cancel;
  #cut: BodyCut | undefined;
  /** Of the wait under way. */
  #fail: ((reason: Error) => void) | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#cancelLimit = options.scheduler.after(options.limitMs, () => this.#end("overdue"));
    options.response.socket?.setTimeout(0); // whose own limit may be the shorter one
    options.response.once("close", this.#closed);
    if (options.response.closed || options.response.destroyed) this.#end("aborted");
  }

  /** Runs `begin` and waits until it settles. Rejects with BodyCut: an error of the connection is a peer that went. One at a time. */
  async wait(begin: (settle: Settle) => void): Promise<void> {
    if (this.#cut !== undefined) throw this.#cut;
    const { scheduler, idleTimeoutMs } = this.#options;
    const cancel = scheduler.after(idleTimeoutMs, () => this.#end("idle"));
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        begin((error) => (error ? this.#end("aborted") : resolve()));
      });
    } finally {
      this.#fail = undefined;
      cancel();
    }
  }

  /** Watches no more. Idempotent. */
  close(): void {
    this.#cancelLimit();
    this.#options.response.off("close", this.#closed);
  }

  readonly #closed = (): void => this.#end("aborted");

  #end(reason: CutReason): void {
    this.#cut ??= new BodyCut(reason);
    this.#fail?.(this.#cut);
    this.#options.response.destroy();
  }
}
