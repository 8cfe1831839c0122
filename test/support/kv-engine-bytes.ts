/**
 * What the engine of a test stores for tokens: each byte depends on its plane and on every token up to its own, as in a real cache,
 * and no aligned word is zero. So a reader who knows the tokens can tell every byte, and bytes of another prompt never pass.
 */
export interface EngineLayout {
  readonly planes: number;
  /** Of one token in one plane; a multiple of 4. */
  readonly unitBytes: number;
}

export interface TokenSpan {
  readonly start: number;
  readonly length: number;
}

/** Of the span, plane after plane, as it lies in a file. */
export function engineBytes(
  { planes, unitBytes }: EngineLayout,
  tokens: readonly number[],
  { start, length }: TokenSpan,
): Buffer {
  const unitWords = unitBytes / 4;
  const words = new Uint32Array(planes * length * unitWords);
  let state = 0x9e37_79b9;
  for (const [at, token] of tokens.slice(0, start + length).entries()) {
    state = mixed(state ^ token);
    if (at < start) continue;
    for (let plane = 0; plane < planes; plane++) {
      let word = mixed(state + plane + 1);
      const first = (plane * length + at - start) * unitWords;
      for (let offset = first; offset < first + unitWords; offset++) {
        word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
        words[offset] = word | 1;
      }
    }
  }
  return Buffer.from(words.buffer);
}

/** The finalizer of murmur3: every bit of the input moves every bit of the output. */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
