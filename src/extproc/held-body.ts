/**
 * A request body that is held back until its session is known (full duplex only), and the cutting of bodies into pieces. The
 * bytes count against the budget of the whole process for as long as they are held.
 */
import type { BodyBudget } from "./body-budget.ts";

/** Envoy advises at most 64 KiB a piece; this leaves room for the framing around it. */
export const PIECE_LIMIT_BYTES = 62_000;

export interface BodyPiece {
  readonly bytes: Uint8Array;
  readonly endOfStream: boolean;
}

/** Pieces of at most `PIECE_LIMIT_BYTES`, the last one with `endOfStream`; one empty piece for an empty body. */
export function* piecesOf(body: Uint8Array, endOfStream: boolean): Generator<BodyPiece> {
  let at = 0;
  do {
    const next = Math.min(at + PIECE_LIMIT_BYTES, body.byteLength);
    const isLast = next === body.byteLength;
    yield { bytes: body.subarray(at, next), endOfStream: endOfStream && isLast };
    at = next;
  } while (at < body.byteLength);
}

/** One buffer that doubles, whatever the size of the chunks: kept apart, chunks of one byte would take a hundred times their size. */
export class HeldBody {
  readonly #budget: BodyBudget;
  #buffer = Buffer.alloc(0);
  #sizeBytes = 0;
  /** What this body has taken from the budget; less than `#sizeBytes` only by the chunk that did not fit. */
  #takenBytes = 0;

  constructor(budget: BodyBudget) {
    this.#budget = budget;
  }

  /** Keeps a copy in any case. False where the body is now over its limit, or all bodies together are over theirs. */
  add(chunk: Uint8Array, limitBytes: number): boolean {
    this.#append(chunk);
    if (!this.#budget.tryTake(chunk.byteLength)) return false;
    this.#takenBytes += chunk.byteLength;
    return this.#sizeBytes <= limitBytes;
  }

  /** Lent until `release`. */
  whole(): Uint8Array {
    return this.#buffer.subarray(0, this.#sizeBytes);
  }

  /** Nothing at all where there is neither a byte nor an end to send. */
  *pieces(endOfStream: boolean): Generator<BodyPiece> {
    if (this.#sizeBytes > 0 || endOfStream) yield* piecesOf(this.whole(), endOfStream);
  }

  /** Gives the bytes back. Idempotent. */
  release(): void {
    this.#budget.give(this.#takenBytes);
    this.#takenBytes = 0;
    this.#buffer = Buffer.alloc(0);
    this.#sizeBytes = 0;
  }

  #append(chunk: Uint8Array): void {
    const sizeBytes = this.#sizeBytes + chunk.byteLength;
    if (sizeBytes > this.#buffer.byteLength) {
      const grown = Buffer.allocUnsafeSlow(Math.max(sizeBytes, 2 * this.#buffer.byteLength));
      grown.set(this.whole());
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#sizeBytes);
    this.#sizeBytes = sizeBytes;
  }
}
