/**
 * The ids of the demo's vocabulary, in the order of who may say them: first what a model may sample, last what is only read. The
 * shapes of the model rely on it; `tokenizer.json` is generated in it.
 */

export const SPECIAL_TOKENS = {
  eos: { id: 0, text: "<|eos|>" },
  imEnd: { id: 1, text: "<|im_end|>" },
  bos: { id: 510, text: "<|bos|>" },
  imStart: { id: 511, text: "<|im_start|>" },
} as const;

/** Each part of the vocabulary ends where the next begins, after the two marks that end an answer. */
export const VOCABULARY = {
  /**
   * Any sequence of ids below it is what its text is cut into. So an answer of a model that samples only these comes back in the
   * next prompt as the tokens that it was.
   */
  canonicalEnd: 90,
  /** Ids below it are text. Of two that were sampled freely, one time in thirty their text would have been cut otherwise. */
  textEnd: 350,
  /** Ids below it are single bytes that are no text alone, or are control characters; then come the marks that begin things. */
  bytesEnd: 510,
  size: 512,
} as const;

export const LEARNED_TOKENS = VOCABULARY.size - 256 - Object.keys(SPECIAL_TOKENS).length;
