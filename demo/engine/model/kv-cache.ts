/**
 * Keys and values of the tokens of one prompt and its answer, from token 0 without gaps, as the model reads them: one row for each
 * token, in each layer. Bytes go in and out as segments in the layout of the engines' KV pools:
 * `[2 (keys, then values), layers, tokens, kv_heads, head_dim]` in the stored dtype.
 */
import type { ModelShape } from "./shape.ts";
import { STORED_DTYPES } from "./stored-dtype.ts";
import type { StoredDtype } from "./stored-dtype.ts";

export interface LayerKv {
  /** `[token][kv_head][head_dim]`, rounded to the stored dtype. Rows from the cache's length on mean nothing. */
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

const FIRST_CAPACITY = 64;

/** Of one token, in a segment. */
export function kvBytesPerToken({ layers, kvHeads, headDim, dtype }: ModelShape): number {
  return 2 * layers * kvHeads * headDim * STORED_DTYPES[dtype].bytes;
}

export class KvCache {
  readonly shape: ModelShape;
  readonly dtype: StoredDtype;
  /** Elements of one token in one layer, of keys or of values. */
  readonly rowLength: number;
  #layers: readonly LayerKv[];
  #capacity = 0;
  readonly #tokens: number[] = [];

  constructor(shape: ModelShape) {
    this.shape = shape;
    this.dtype = STORED_DTYPES[shape.dtype];
    this.rowLength = shape.kvHeads * shape.headDim;
    this.#layers = this.#allocate(FIRST_CAPACITY);
  }

  /** Tokens whose keys and values are here. */
  get length(): number {
    return this.#tokens.length;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** What lies in memory, in bytes. */
  get sizeBytes(): number {
    return this.#capacity * 2 * this.shape.layers * this.rowLength * Float32Array.BYTES_PER_ELEMENT;
  }

  /** Keeps the first `length` tokens. */
  truncate(length: number): void {
    this.#assertRange(0, length);
    this.#tokens.length = length;
  }

  /** A cache of its own with the first `length` tokens of this one; costs the copying of their rows. */
  copyOfPrefix(length: number): KvCache {
    this.#assertRange(0, length);
    const copy = new KvCache(this.shape);
    copy.reserve(length);
    for (const [index, { keys, values }] of this.#layers.entries()) {
      const to = copy.layer(index);
      to.keys.set(keys.subarray(0, length * this.rowLength));
      to.values.set(values.subarray(0, length * this.rowLength));
    }
    for (let at = 0; at < length; at++) copy.#tokens.push(this.#tokens[at] ?? 0);
    return copy;
  }

  /** The segment of these tokens. */
  read(tokenStart: number, tokenLength: number): Uint8Array {
    this.#assertRange(tokenStart, tokenStart + tokenLength);
    const segment = new Uint8Array(tokenLength * kvBytesPerToken(this.shape));
    const rows = [
      tokenStart * this.rowLength,
      (tokenStart + tokenLength) * this.rowLength,
    ] as const;
    let at = 0;
    for (const side of ["keys", "values"] as const) {
      for (const layer of this.#layers) {
        const bytes = this.dtype.encode(layer[side].subarray(...rows));
        segment.set(bytes, at);
        at += bytes.length;
      }
    }
    return segment;
  }

  /** Appends the segment of `tokens`, which follow those that are here. Only its length is checked, as in real engines. */
  write(segment: Uint8Array, tokens: ArrayLike<number>): void {
    const sizeBytes = tokens.length * kvBytesPerToken(this.shape);
    if (segment.length !== sizeBytes) {
      throw new RangeError(
        `a segment of ${tokens.length} tokens has ${sizeBytes} bytes, not ${segment.length}`,
      );
    }
    this.reserve(tokens.length);
    const rows = [this.length, this.length + tokens.length].map((row) => row * this.rowLength);
    const extentBytes = tokens.length * this.rowLength * this.dtype.bytes;
    let at = 0;
    for (const side of ["keys", "values"] as const) {
      for (const layer of this.#layers) {
        const bytes = segment.subarray(at, at + extentBytes);
        this.dtype.decode(bytes, layer[side].subarray(...rows));
        at += extentBytes;
      }
    }
    for (let index = 0; index < tokens.length; index++) this.#tokens.push(tokens[index] ?? 0);
  }

  /** Makes room for this many further tokens; what `layer` gave before is stale then. */
  reserve(tokens: number): void {
    const needed = this.length + tokens;
    if (needed <= this.#capacity) return;
    const old = this.#layers;
    this.#layers = this.#allocate(Math.max(needed, 2 * this.#capacity));
    for (const [index, { keys, values }] of old.entries()) {
      this.layer(index).keys.set(keys);
      this.layer(index).values.set(values);
    }
  }

  layer(index: number): LayerKv {
    const layer = this.#layers[index];
    if (layer === undefined) throw new RangeError(`layer ${index} of ${this.shape.layers}`);
    return layer;
  }

  /** The rows at `length` are written in every layer: they are this token's. */
  push(token: number): void {
    this.#tokens.push(token);
  }

  #allocate(capacity: number): readonly LayerKv[] {
    this.#capacity = capacity;
    return Array.from({ length: this.shape.layers }, () => ({
      keys: new Float32Array(capacity * this.rowLength),
      values: new Float32Array(capacity * this.rowLength),
    }));
  }

  #assertRange(from: number, to: number): void {
    if (from >= 0 && from <= to && to <= this.length) return;
    throw new RangeError(`tokens [${from}, ${to}) of ${this.length}`);
  }
}
