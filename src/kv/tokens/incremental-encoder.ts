/**
 * Encodes texts, and of a text that goes on from an earlier one only what comes behind their last common boundary. Exact: the ids are
 * those of the whole text encoded at once (section-boundaries.ts says why).
 *
 * Ids are kept up to the last boundary of each text, by the SHA-256 of what they stand for; the text is not. In memory alone, and
 * bounded by bytes.
 */
import { LRUCache } from "lru-cache";
import type { Encoder } from "./encoder.ts";
import { joinIds } from "./join-ids.ts";
import { prefixKeys } from "./prefix-keys.ts";
import { SectionBoundaries } from "./section-boundaries.ts";

export interface IncrementalEncoderOptions {
  readonly sectionTokens: Encoder["sectionTokens"];
  /** Undefined: nobody has time for it. */
  readonly encodeText: (text: string) => Promise<Uint32Array | undefined>;
  /** Resolves once the event loop has been everybody's. */
  readonly rest: () => Promise<void>;
  readonly keptBytes: number;
}

/** Ids of the text before the end of an added token, which is the last of them and starts at `start`. */
interface Prefix {
  readonly start: number;
  readonly ids: Uint32Array;
}

/** Shorter texts are encoded faster than they are looked up and kept. */
const KEPT_FROM_CHARS = 1024;

/** A turn that adds more added tokens than this, as one of many tool calls may, is encoded from its beginning. */
const BOUNDARIES = 64;

/** What an entry costs beside its ids. */
const ENTRY_BYTES = 256;

export class IncrementalEncoder {
  readonly #options: IncrementalEncoderOptions;
  readonly #boundaries: SectionBoundaries;
  readonly #kept: LRUCache<string, Uint32Array>;

  constructor(options: IncrementalEncoderOptions) {
    this.#options = options;
    this.#boundaries = new SectionBoundaries(options.sectionTokens);
    this.#kept = new LRUCache({
      maxSize: options.keptBytes,
      sizeCalculation: (ids) => ids.byteLength + ENTRY_BYTES,
    });
  }

  /** Without the tokens that the post-processor adds. Undefined: nobody has time for it. */
  async encode(text: string): Promise<Uint32Array | undefined> {
    const { encodeText, rest } = this.#options;
    if (text.length < KEPT_FROM_CHARS) return encodeText(text);
    const boundaries = await this.#boundaries.last(BOUNDARIES, text, rest);
    const last = boundaries.at(-1);
    if (last === undefined) return encodeText(text);
    const keys = await prefixKeys(
      text,
      boundaries.map(({ end }) => end),
      rest,
    );
    const lastKey = keys.at(-1) as string;
    let ids = this.#kept.get(lastKey);
    if (ids === undefined) {
      ids = await this.#goOn(this.#longestKept(boundaries, keys), text.slice(0, last.end));
      if (ids === undefined) return undefined;
      this.#kept.set(lastKey, ids);
    }
    return this.#goOn({ start: last.start, ids }, text);
  }

  #longestKept(boundaries: readonly { start: number }[], keys: readonly string[]) {
    for (let i = keys.length - 1; i >= 0; i--) {
      const ids = this.#kept.get(keys[i] as string);
      const boundary = boundaries[i];
      if (ids !== undefined && boundary !== undefined) return { start: boundary.start, ids };
    }
    return undefined;
  }

  /** A text of which a prefix is known. Its last token is encoded again, as the beginning of the rest, and left out there. */
  async #goOn(known: Prefix | undefined, text: string): Promise<Uint32Array | undefined> {
    if (known === undefined) return this.#options.encodeText(text);
    const rest = await this.#options.encodeText(text.slice(known.start));
    return rest && joinIds(known.ids, rest.subarray(1));
  }
}
