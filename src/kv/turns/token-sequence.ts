/**
 * The tokens of a prompt, or of a prompt and its answer, as far as whoever asks knows them: every id; or the chain's grid digests of
 * the first part, which do for looking up, and the ids of the rest. Or, where nobody but the engine knows them, its text.
 */
import {
  type ChainContext,
  type ChainFormat,
  chainStart,
  type GridPoint,
} from "../chain/chain-format.ts";
import { Chain, type ChainEnd } from "../chain/chain.ts";
import { tokenBytes } from "../chain/token-bytes.ts";
import type { Digest, Digests } from "../digest.ts";
import type { ChainKind } from "../model/geometry-key.ts";
import type { ChainPlace } from "../records.ts";
import type { SplitText } from "../text/special-strings.ts";
import type { TextEnd } from "../text/text-ends.ts";

export interface TokenSequence {
  readonly kind: Exclude<ChainKind, "text">;
  readonly context: ChainContext;
  /** Digests of the first grid points after the start, of 32 bytes each; empty where every id is known. */
  readonly grid: readonly Digest[];
  /** From the last of those points on; unsigned, of 32 bits. */
  readonly ids: ArrayLike<number>;
}

/** A prompt that the engine tokenises, and nobody else. Its chain counts bytes. */
export interface TextSequence {
  readonly kind: "text";
  readonly context: ChainContext;
  readonly text: SplitText;
  /** A guess, for predictions and metrics. */
  readonly guessedTokens: number;
}

/** What is kept of a text while the engine answers: a few hashes, however long it is. */
export interface PlannedText {
  readonly kind: "text";
  readonly bytes: number;
  /** From left to right; the last one is the text's own. */
  readonly ends: readonly PlannedEnd[];
  /** Of its chain, where the tokens begin that are to be stored. */
  readonly before: Digest;
}

export interface PlannedEnd extends Pick<TextEnd, "behind"> {
  readonly place: ChainPlace;
}

/** As it is known once the engine has answered. */
export interface CountedText extends PlannedText {
  /** As the engine says. */
  readonly promptTokens: number;
}

/** Ids of whole steps, and the grid points at their ends. */
export interface KnownChain {
  readonly ids: Uint32Array;
  readonly points: readonly GridPoint[];
}

/** The digests of a sequence. Those of ends off the grid are computed when they are asked for. */
export class SequenceChain {
  readonly step: number;
  readonly #start: ChainEnd;
  readonly #grid: readonly Digest[];
  readonly #rest: Chain;

  /** Up to the ids, which `append` takes, or up to a text, which `appendText` takes. */
  constructor(
    start: Pick<TokenSequence, "context" | "grid"> & { readonly text?: SplitText },
    format: ChainFormat,
    digests: Digests,
  ) {
    const { context, grid, text } = start;
    this.step = format.stepUnits;
    this.#start = chainStart(context, digests, text?.specialTokens);
    this.#grid = grid;
    const known = grid.at(-1);
    const from = known === undefined ? this.#start : { at: grid.length * this.step, digest: known };
    this.#rest = new Chain({ format, from, digests });
  }

  append(ids: ArrayLike<number>): void {
    this.#rest.append(tokenBytes(ids));
  }

  appendText(bytes: Uint8Array): void {
    this.#rest.append(bytes);
  }

  /** Of a sequence without a grid, before any other ids. */
  appendKnown({ ids, points }: KnownChain): void {
    this.#rest.appendKnown(tokenBytes(ids), points);
  }

  /** That were passed on the ids, in order. */
  get points(): readonly GridPoint[] {
    return this.#rest.points.slice(1);
  }

  /** Tokens, or bytes of a text. */
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
