/** Weights from a seed alone: the same for the same shape on every machine, since they are made by additions and products only. */
import type { ModelShape } from "./shape.ts";

export interface LayerWeights {
  readonly query: Float64Array;
  readonly key: Float64Array;
  readonly value: Float64Array;
  readonly attentionOut: Float64Array;
  readonly gate: Float64Array;
  readonly up: Float64Array;
  readonly down: Float64Array;
}

export interface Weights {
  /** `[vocab][hidden]`. */
  readonly embedding: Float64Array;
  readonly layers: readonly LayerWeights[];
  /** `[vocab][hidden]`; not the embedding, or the model would mostly repeat its last token. */
  readonly head: Float64Array;
}

/**
 * Without these, random weights make a dull model: attention is close to the plain average of all tokens, which hardly changes from
 * one step to the next, so answers fall into a loop. With them it picks tokens out, and small differences grow.
 */
const GAINS = { query: 2, attentionOut: 2, down: 3 } as const;

export function makeWeights(shape: ModelShape): Weights {
  const { layers, hidden, heads, kvHeads, headDim, ffn, vocab } = shape;
  const random = uniform(shape.seed);
  const matrix = (rows: number, columns: number, gain = 1) =>
    filled(rows * columns, { random, deviation: gain / Math.sqrt(columns) });
  return {
    embedding: filled(vocab * hidden, { random, deviation: 1 }),
    layers: Array.from({ length: layers }, () => ({
      query: matrix(heads * headDim, hidden, GAINS.query),
      key: matrix(kvHeads * headDim, hidden),
      value: matrix(kvHeads * headDim, hidden),
      attentionOut: matrix(hidden, heads * headDim, GAINS.attentionOut),
      gate: matrix(ffn, hidden),
      up: matrix(ffn, hidden),
      down: matrix(hidden, ffn, GAINS.down),
    })),
    head: matrix(vocab, hidden),
  };
}

interface Distribution {
  readonly random: () => number;
  readonly deviation: number;
}

function filled(length: number, { random, deviation }: Distribution): Float64Array {
  // A uniform number between -1 and 1 has a deviation of 1 / sqrt(3).
  const span = deviation * Math.sqrt(3);
  return Float64Array.from({ length }, () => Math.fround((2 * random() - 1) * span));
}

/** Numbers in [0, 1), by xorshift32 started well away from its seed, which it mixes slowly. */
function uniform(seed: number): () => number {
  let state = Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let skipped = 0; skipped < 16; skipped++) next();
  return next;
}
