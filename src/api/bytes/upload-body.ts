/**
 * The body of a PUT, gathered into chunks of 1 MiB: what is lent is being written while the other buffer fills, so the socket is
 * read and the file written at one time, and a trip to the thread pool is worth its cost. When both are full the socket is not
 * read, and so the sender waits.
 */
import type { IncomingMessage } from "node:http";

import { type BodyWatch, CHUNK_BYTES, type Settle } from "./body-watch.ts";

export class UploadBody {
  readonly #stream: IncomingMessage;
  readonly #watch: BodyWatch;
  readonly #chunkBytes: number;
  #filling: Uint8Array;
  #filled = 0;
  /** What came and did not fit; the stream is paused meanwhile. */
  #rest: Uint8Array | undefined;
  #hasEnded = false;
  /** Of a consumer that waits for a chunk. */
  #wake: Settle | undefined;

  constructor(stream: IncomingMessage, watch: BodyWatch, bodyBytes: number) {
    this.#stream = stream;
    this.#watch = watch;
    this.#chunkBytes = Math.min(bodyBytes, CHUNK_BYTES);
    this.#filling = Buffer.allocUnsafeSlow(this.#chunkBytes);
  }

  /** Each chunk is lent until the next is asked for. Throws BodyCut. Once only. */
  async *chunks(): AsyncGenerator<Uint8Array, void> {
    let lent: Uint8Array = Buffer.allocUnsafeSlow(this.#chunkBytes);
    this.#stream.on("data", this.#take).once("end", this.#end).on("error", this.#ignore);
    try {
      for (;;) {
        if (!this.#isReady) await this.#watch.wait((settle) => void (this.#wake = settle));
        this.#wake = undefined;
        const length = this.#filled;
        if (length === 0) return;
        [lent, this.#filling] = [this.#filling, lent];
        this.#filled = 0;
        this.#refill();
        yield lent.subarray(0, length);
      }
    } finally {
      this.#stream.off("data", this.#take).off("end", this.#end);
    }
  }

  get #isReady(): boolean {
    return this.#hasEnded || this.#filled === this.#chunkBytes;
  }

  readonly #take = (bytes: Uint8Array): void => {
    const fitting = bytes.subarray(0, this.#chunkBytes - this.#filled);
    this.#filling.set(fitting, this.#filled);
    this.#filled += fitting.length;
    if (fitting.length < bytes.length) {
      this.#rest = bytes.subarray(fitting.length);
      this.#stream.pause();
    }
    if (this.#isReady) this.#wake?.();
  };

  readonly #end = (): void => {
    this.#hasEnded = true;
    this.#wake?.();
  };

  /** The watch sees the connection close, and says so. */
  readonly #ignore = (): void => {};

  #refill(): void {
    const rest = this.#rest;
    if (rest === undefined) return;
    this.#rest = undefined;
    this.#take(rest);
    if (this.#rest === undefined) this.#stream.resume();
  }
}
