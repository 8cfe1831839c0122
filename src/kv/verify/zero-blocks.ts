/**
 * Finds a block that is all zero in bytes that come in chunks of any length. Real blocks are told by their first word, so that
 * looking at them costs next to nothing beside the checksum; a zero one is read to its end, and is the last one looked at.
 */
import type { NonzeroBlocks } from "../model/nonzero-blocks.ts";

const WORD_BYTES = 4;

export class ZeroBlockSearch {
  readonly #blocks: NonzeroBlocks;
  /** From the segment's start: of the next byte to come. */
  #at = 0;
  /** Where the block ends that `#at` is in or before; past `endBytes` when there are no more. */
  #blockEnd: number;
  /** Nothing but zeros so far in that block. */
  #isZero = true;

  constructor(blocks: NonzeroBlocks) {
    this.#blocks = blocks;
    this.#blockEnd = blocks.firstEndBytes;
  }

  /** The next bytes of the segment, in order. True when a block ends in them that is all zero; ask no more then. */
  finds(chunk: Uint8Array): boolean {
    const { startBytes, blockBytes, endBytes } = this.#blocks;
    const words = new AlignedWords(chunk);
    let from = Math.min(chunk.length, Math.max(0, startBytes - this.#at));
    this.#at += from;
    while (from < chunk.length && this.#at < endBytes) {
      const to = Math.min(chunk.length, from + this.#blockEnd - this.#at);
      this.#isZero &&= words.areZero(from, to);
      this.#at += to - from;
      from = to;
      if (this.#at < this.#blockEnd) break;
      if (this.#isZero) return true;
      this.#isZero = true;
      this.#blockEnd = Math.min(this.#blockEnd + blockBytes, endBytes);
    }
    this.#at += chunk.length - from;
    return false;
  }
}

/** A chunk seen as words where it has them: typed arrays of words begin at multiples of four in their buffer only. */
class AlignedWords {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  /** Bytes before the first word. */
  readonly #head: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#head = Math.min(bytes.length, -bytes.byteOffset & (WORD_BYTES - 1));
    const count = Math.floor((bytes.length - this.#head) / WORD_BYTES);
    const start = count === 0 ? 0 : bytes.byteOffset + this.#head;
    this.#words = new Int32Array(bytes.buffer, start, count);
  }

  areZero(from: number, to: number): boolean {
    const first = Math.max(0, Math.ceil((from - this.#head) / WORD_BYTES));
    const last = Math.floor((to - this.#head) / WORD_BYTES);
    if (last <= first) return this.#areBytesZero(from, to);
    const wordsFrom = this.#head + first * WORD_BYTES;
    const wordsTo = this.#head + last * WORD_BYTES;
    return (
      this.#areBytesZero(from, wordsFrom) &&
      this.#areWordsZero(first, last) &&
      this.#areBytesZero(wordsTo, to)
    );
  }

  #areBytesZero(from: number, to: number): boolean {
    for (let at = from; at < to; at++) if (this.#bytes[at] !== 0) return false;
    return true;
  }

  #areWordsZero(from: number, to: number): boolean {
    for (let at = from; at < to; at++) if (this.#words[at] !== 0) return false;
    return true;
  }
}
