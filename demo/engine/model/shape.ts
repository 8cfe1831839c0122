/**
 * What a model of the demo's computing engine is: sizes, the dtype that its KV is stored in, and the seed of its weights. Two engines
 * with the same shape are the same model, bit for bit.
 */
import { VOCABULARY } from "../tokenizer/vocabulary.ts";
import type { DtypeName } from "./stored-dtype.ts";

export interface ModelShape {
  readonly name: string;
  readonly layers: number;
  /** Width of the residual stream; a multiple of 4. */
  readonly hidden: number;
  /** Of queries; a multiple of `kvHeads`: so many of them share one head of keys and values. */
  readonly heads: number;
  readonly kvHeads: number;
  /** A multiple of 4. */
  readonly headDim: number;
  /** Width of the feed-forward part; a multiple of 4. */
  readonly ffn: number;
  /** Ids are below it; a multiple of 4. */
  readonly vocab: number;
  /** Ids below it may be sampled; from here on they are only read: bytes that are no text alone, and marks that begin things. */
  readonly spoken: number;
  /** Keys and values are rounded to it before any use. */
  readonly dtype: DtypeName;
  readonly ropeTheta: number;
  readonly seed: number;
}

const common = {
  vocab: VOCABULARY.size,
  spoken: VOCABULARY.textEnd,
  dtype: "bf16",
  ropeTheta: 10_000,
  seed: 1,
} as const;

export const SHAPES = {
  /** For tests: 256 bytes of KV for each token, and thousands of tokens in a second. */
  tiny: {
    ...common,
    name: "tiny",
    layers: 2,
    hidden: 32,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    ffn: 64,
  },
  /** For benches: computing a token costs far more than loading its 512 bytes of KV. */
  small: {
    ...common,
    name: "small",
    layers: 4,
    hidden: 96,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    ffn: 256,
  },
} as const satisfies Record<string, ModelShape>;

export type ShapeName = keyof typeof SHAPES;

/** Throws naming the field; a shape comes from code or from a command line, never from a request. */
export function assertShape(shape: ModelShape): void {
  const counts = [
    "layers",
    "hidden",
    "heads",
    "kvHeads",
    "headDim",
    "ffn",
    "vocab",
    "spoken",
  ] as const;
  for (const name of counts) {
    if (Number.isInteger(shape[name]) && shape[name] > 0) continue;
    throw new RangeError(`${name} ${shape[name]} must be a positive integer`);
  }
  for (const name of ["hidden", "headDim", "ffn", "vocab"] as const) {
    if (shape[name] % 4 !== 0)
      throw new RangeError(`${name} ${shape[name]} must be a multiple of 4`);
  }
  if (shape.heads % shape.kvHeads !== 0) {
    throw new RangeError(`heads ${shape.heads} must be a multiple of kvHeads ${shape.kvHeads}`);
  }
  if (shape.spoken > shape.vocab) {
    throw new RangeError(`spoken ${shape.spoken} must be <= vocab ${shape.vocab}`);
  }
}
