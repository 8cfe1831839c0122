/**
 * The arithmetic of one token's way through the model. Every sum is made in one fixed order that knows nothing of how a prompt was
 * sliced, so prefill, decoding and a loaded prefix give the same bits. Activations are doubles: the last bit of the smallest stored
 * value then still moves some logit. Nothing is allocated here.
 */

/** `out = matrix * x`; the matrix lies row after row, and has a multiple of 4 rows. Four rows at a time hide the adder's latency. */
export function multiply(matrix: Float64Array, x: Float64Array, out: Float64Array): void {
  const columns = x.length;
  for (let row = 0; row < out.length; row += 4) {
    let at0 = row * columns;
    let at1 = at0 + columns;
    let at2 = at1 + columns;
    let at3 = at2 + columns;
    let sum0 = 0;
    let sum1 = 0;
    let sum2 = 0;
    let sum3 = 0;
    for (let column = 0; column < columns; column++) {
      const value = x[column] as number;
      sum0 += (matrix[at0++] as number) * value;
      sum1 += (matrix[at1++] as number) * value;
      sum2 += (matrix[at2++] as number) * value;
      sum3 += (matrix[at3++] as number) * value;
    }
    out[row] = sum0;
    out[row + 1] = sum1;
    out[row + 2] = sum2;
    out[row + 3] = sum3;
  }
}

export function add(to: Float64Array, x: Float64Array): void {
  for (let at = 0; at < to.length; at++) to[at] = (to[at] as number) + (x[at] as number);
}

/** Without gains: they would be columns' factors of the matrix that comes next. */
export function normalize(x: Float64Array, out: Float64Array): void {
  let squares = 0;
  for (let at = 0; at < x.length; at++) squares += (x[at] as number) * (x[at] as number);
  const factor = 1 / Math.sqrt(squares / x.length + 1e-6);
  for (let at = 0; at < x.length; at++) out[at] = (x[at] as number) * factor;
}

/** `gate = silu(gate) * up`. */
export function gated(gate: Float64Array, up: Float64Array): void {
  for (let at = 0; at < gate.length; at++) {
    const value = gate[at] as number;
    gate[at] = (value / (1 + Math.exp(-value))) * (up[at] as number);
  }
}

/** Turns the pairs (i, i + half) of each head by the angles of a position; `turns` has cosine and sine for each i. */
export function rotate(heads: Float64Array, headDim: number, turns: Float64Array): void {
  const half = headDim / 2;
  for (let head = 0; head < heads.length; head += headDim) {
    for (let pair = 0; pair < half; pair++) {
      const cos = turns[2 * pair] as number;
      const sin = turns[2 * pair + 1] as number;
      const low = heads[head + pair] as number;
      const high = heads[head + half + pair] as number;
      heads[head + pair] = low * cos - high * sin;
      heads[head + half + pair] = low * sin + high * cos;
    }
  }
}

export interface Attention {
  readonly query: Float64Array;
  /** `[token][kv_head][head_dim]`, of at least `tokens` tokens. */
  readonly keys: Float32Array;
  readonly values: Float32Array;
  readonly tokens: number;
  readonly headDim: number;
  readonly kvHeads: number;
  /** Query heads that share a head of keys and values. */
  readonly group: number;
  /** Of at least `tokens` numbers; overwritten. */
  readonly scores: Float64Array;
  readonly out: Float64Array;
}

/** For each query head: the values of all tokens, averaged by `softmax(query . key / sqrt(headDim))`. */
export function attend(attention: Attention): void {
  const { kvHeads, group, headDim } = attention;
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    for (let member = 0; member < group; member++) {
      const queryAt = (kvHead * group + member) * headDim;
      const largest = score(attention, queryAt, kvHead * headDim);
      const sum = exponentiate(attention, largest);
      mix(attention, { outAt: queryAt, columnAt: kvHead * headDim, scale: 1 / sum });
    }
  }
}

/** Returns the largest score. */
function score(attention: Attention, queryAt: number, columnAt: number): number {
  const { query, keys, tokens, headDim, kvHeads, scores } = attention;
  const rowLength = kvHeads * headDim;
  const factor = 1 / Math.sqrt(headDim);
  let largest = -Infinity;
  let row = columnAt;
  for (let token = 0; token < tokens; token++) {
    let sum0 = 0;
    let sum1 = 0;
    let sum2 = 0;
    let sum3 = 0;
    for (let at = 0; at < headDim; at += 4) {
      sum0 += (query[queryAt + at] as number) * (keys[row + at] as number);
      sum1 += (query[queryAt + at + 1] as number) * (keys[row + at + 1] as number);
      sum2 += (query[queryAt + at + 2] as number) * (keys[row + at + 2] as number);
      sum3 += (query[queryAt + at + 3] as number) * (keys[row + at + 3] as number);
    }
    const value = (sum0 + sum1 + (sum2 + sum3)) * factor;
    scores[token] = value;
    if (value > largest) largest = value;
    row += rowLength;
  }
  return largest;
}

/** Turns scores into weights, and returns their sum. */
function exponentiate({ scores, tokens }: Attention, largest: number): number {
  let sum = 0;
  for (let token = 0; token < tokens; token++) {
    const weight = Math.exp((scores[token] as number) - largest);
    scores[token] = weight;
    sum += weight;
  }
  return sum;
}

interface Column {
  readonly outAt: number;
  /** Of the KV head, in a row. */
  readonly columnAt: number;
  readonly scale: number;
}

function mix(attention: Attention, { outAt, columnAt, scale }: Column): void {
  const { values, tokens, headDim, kvHeads, scores, out } = attention;
  const rowLength = kvHeads * headDim;
  for (let at = 0; at < headDim; at += 4) {
    let row = columnAt + at;
    let sum0 = 0;
    let sum1 = 0;
    let sum2 = 0;
    let sum3 = 0;
    for (let token = 0; token < tokens; token++) {
      const weight = scores[token] as number;
      sum0 += weight * (values[row] as number);
      sum1 += weight * (values[row + 1] as number);
      sum2 += weight * (values[row + 2] as number);
      sum3 += weight * (values[row + 3] as number);
      row += rowLength;
    }
    out[outAt + at] = sum0 * scale;
    out[outAt + at + 1] = sum1 * scale;
    out[outAt + at + 2] = sum2 * scale;
    out[outAt + at + 3] = sum3 * scale;
  }
}
