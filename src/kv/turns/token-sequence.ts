/**
 * The tokens of a prompt, or of a prompt and its answer, as far as whoever asks knows them: every id; or the chain's grid digests of
 * the first part, which do for looking up, and the ids of the rest.
 */
import { type ChainContext, type ChainFormat, chainStart } from "../chain/chain-format.ts";
import { Chain, type ChainEnd } from "../chain/chain.ts";
import { tokenBytes } from "../chain/token-bytes.ts";
import type { Digest, Digests } from "../digest.ts";
import type { ChainKind } from "../model/geometry-key.ts";

export interface TokenSequence {
  /** Text has no place here: nobody can say at which byte of it a segment ends. */
  readonly kind: Exclude<ChainKind, "text">;
  readonly context: ChainContext;
  /** Digests of the first grid points after the start, of 32 bytes each; empty where every id is known. */
  readonly grid: readonly Digest[];
  /** From the last of those points on; unsigned, of 32 bits. */
  readonly ids: ArrayLike<number>;
}

/** The digests of a sequence. Those of ends off the grid are computed when they are asked for. */
export class SequenceChain {
  readonly step: number;
  readonly #start: ChainEnd;
  readonly #grid: readonly Digest[];
  readonly #rest: Chain;

  /** Up to the ids, which `append` takes. */
  constructor(start: Omit<TokenSequence, "ids">, format: ChainFormat, digests: Digests) {
    const { context, grid } = start;
    this.step = format.stepUnits;
    this.#start = chainStart(context, digests);
    this.#grid = grid;
    const known = grid.at(-1);
    const from = known === undefined ? this.#start : { at: grid.length * this.step, digest: known };
    this.#rest = new Chain({ format, from, digests });
  }

  append(ids: ArrayLike<number>): void {
    this.#rest.append(tokenBytes(ids));
  }

  /** Tokens. */
  get length(): number {
    return this.#rest.length;
  }

  /** Undefined where it cannot be known: outside of the sequence, or off the grid where only digests are known. Takes any number. */
  endAt(at: number): ChainEnd | undefined {
    if (!Number.isSafeInteger(at) || at < 0 || at > this.length) return undefined;
    if (at >= this.#grid.length * this.step) return this.#rest.endAt(at);
    if (at === 0) return this.#start;
    const digest = at % this.step === 0 ? this.#grid[at / this.step - 1] : undefined;
    return digest === undefined ? undefined : { at, digest };
  }
}
