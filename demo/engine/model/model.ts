/**
 * A small decoder-only transformer: root-mean-square norm, rotary positions, grouped-query attention, a gated feed-forward part. It
 * knows no language, but it truly computes: its next token depends on every token before, through keys and values that may come
 * from its own work or from stored bytes. Tokens go through one after the other, in prompts as in answers, so that a sum never
 * depends on where a prompt was cut.
 */
import { KvCache } from "./kv-cache.ts";
import { add, attend, gated, multiply, normalize, rotate } from "./kernels.ts";
import { Rotary } from "./rotary.ts";
import { assertShape } from "./shape.ts";
import type { ModelShape } from "./shape.ts";
import { makeWeights } from "./weights.ts";
import type { Weights } from "./weights.ts";

/** Serves any number of caches, in turns: a call never waits. Open it once for each process; that costs some milliseconds. */
export class Model {
  readonly shape: ModelShape;
  readonly #weights: Weights;
  readonly #rotary: Rotary;
  readonly #scratch: Scratch;

  constructor(shape: ModelShape) {
    assertShape(shape);
    this.shape = shape;
    this.#weights = makeWeights(shape);
    this.#rotary = new Rotary(shape.headDim, shape.ropeTheta);
    this.#scratch = makeScratch(shape);
  }

  newCache(): KvCache {
    return new KvCache(this.shape);
  }

  /**
   * Appends the keys and values of `tokens`, each an id below `vocab`. Whoever serves others too gives a prompt in slices; the bits
   * are the same. Cheaper than `forward`: a token whose logits nobody wants is done when it has its keys and values.
   */
  extend(cache: KvCache, tokens: ArrayLike<number>): void {
    this.#assertTokens(tokens);
    cache.reserve(tokens.length);
    for (let index = 0; index < tokens.length; index++)
      this.#append(cache, tokens[index] as number);
  }

  /** `extend`, and the logits of the last of `tokens`, of which there is at least one. They are lent until the next call. */
  forward(cache: KvCache, tokens: ArrayLike<number>): Float64Array {
    if (tokens.length === 0) throw new RangeError("logits are those of a token, and there is none");
    this.extend(cache, tokens);
    this.#finishLayer(cache, { layer: this.shape.layers - 1, position: cache.length - 1 });
    const { stream, normed, logits } = this.#scratch;
    normalize(stream, normed);
    multiply(this.#weights.head, normed, logits);
    return logits;
  }

  /** Leaves the scratch as it is between the two halves of the last layer. */
  #append(cache: KvCache, token: number): void {
    const { layers, hidden } = this.shape;
    const embedding = this.#weights.embedding.subarray(token * hidden, (token + 1) * hidden);
    const position = cache.length;
    this.#scratch.stream.set(embedding);
    for (let layer = 0; layer < layers; layer++) {
      if (layer > 0) this.#finishLayer(cache, { layer: layer - 1, position });
      this.#startLayer(cache, { layer, position });
    }
    cache.push(token);
  }

  /** The half that writes the token's keys and values. */
  #startLayer(cache: KvCache, { layer, position }: Place): void {
    const { stream, normed, key, value } = this.#scratch;
    const weights = this.#layerWeights(layer);
    const { keys, values } = cache.layer(layer);
    normalize(stream, normed);
    multiply(weights.key, normed, key);
    multiply(weights.value, normed, value);
    rotate(key, this.shape.headDim, this.#rotary.at(position));
    cache.dtype.round(key, keys, position * cache.rowLength);
    cache.dtype.round(value, values, position * cache.rowLength);
  }

  /** The half that reads all keys and values up to the token's own. */
  #finishLayer(cache: KvCache, { layer, position }: Place): void {
    const { heads, kvHeads, headDim } = this.shape;
    const { stream, normed, query, mixed, added, gate, up } = this.#scratch;
    const weights = this.#layerWeights(layer);
    multiply(weights.query, normed, query);
    rotate(query, headDim, this.#rotary.at(position));
    const scores = this.#scoresFor(position + 1);
    attend({
      ...cache.layer(layer),
      query,
      out: mixed,
      scores,
      tokens: position + 1,
      headDim,
      kvHeads,
      group: heads / kvHeads,
    });
    multiply(weights.attentionOut, mixed, added);
    add(stream, added);
    normalize(stream, normed);
    multiply(weights.gate, normed, gate);
    multiply(weights.up, normed, up);
    gated(gate, up);
    multiply(weights.down, gate, added);
    add(stream, added);
  }

  #layerWeights(layer: number): Weights["layers"][number] {
    const weights = this.#weights.layers[layer];
    if (weights === undefined) throw new RangeError(`layer ${layer} of ${this.shape.layers}`);
    return weights;
  }

  #scoresFor(tokens: number): Float64Array {
    if (this.#scratch.scores.length < tokens) this.#scratch.scores = new Float64Array(2 * tokens);
    return this.#scratch.scores;
  }

  #assertTokens(tokens: ArrayLike<number>): void {
    for (let index = 0; index < tokens.length; index++) {
      const token = tokens[index] as number;
      if (Number.isInteger(token) && token >= 0 && token < this.shape.vocab) continue;
      throw new RangeError(`token ${token} must be an integer from 0 to ${this.shape.vocab - 1}`);
    }
  }
}

/** The id with the largest logit among the first `spoken`; the lowest one of equals. 0 where no logit is a number. */
export function argmax(logits: Float64Array, spoken: number): number {
  let best = 0;
  let largest = -Infinity;
  for (let id = 0; id < spoken; id++) {
    const logit = logits[id] as number;
    if (logit > largest) {
      largest = logit;
      best = id;
    }
  }
  return best;
}

interface Place {
  readonly layer: number;
  readonly position: number;
}

interface Scratch {
  /** The residual stream of the token under way. */
  readonly stream: Float64Array;
  readonly normed: Float64Array;
  readonly query: Float64Array;
  readonly key: Float64Array;
  readonly value: Float64Array;
  readonly mixed: Float64Array;
  readonly added: Float64Array;
  readonly gate: Float64Array;
  readonly up: Float64Array;
  readonly logits: Float64Array;
  /** For each token looked at, of one head; grows with the longest prompt. */
  scores: Float64Array;
}

function makeScratch({ hidden, heads, kvHeads, headDim, ffn, vocab }: ModelShape): Scratch {
  return {
    stream: new Float64Array(hidden),
    normed: new Float64Array(hidden),
    query: new Float64Array(heads * headDim),
    key: new Float64Array(kvHeads * headDim),
    value: new Float64Array(kvHeads * headDim),
    mixed: new Float64Array(heads * headDim),
    added: new Float64Array(hidden),
    gate: new Float64Array(ffn),
    up: new Float64Array(ffn),
    logits: new Float64Array(vocab),
    scores: new Float64Array(64),
  };
}
