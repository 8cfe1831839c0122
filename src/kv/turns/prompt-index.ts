/** Where a sequence's ends are in the index: the keys that a match looks up, and those that a new segment gets. */
import type { PromptNamespace, PromptView } from "../catalog.ts";
import { chainPlace, indexPlace } from "../chain/chain-place.ts";
import type { ChainEnd } from "../chain/chain.ts";
import { indexKey, type NamespaceKey } from "../chain/index-key.ts";
import { DIGEST_BYTES, type Digest, type Digests } from "../digest.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { IndexPlace, SegmentChain } from "../records.ts";
import type { SplitText } from "../text/special-strings.ts";
import { textEnds } from "../text/text-ends.ts";
import type { PlannedText, SequenceChain, TextSequence } from "./token-sequence.ts";

export interface IndexScope {
  readonly geometry: GeometryKey;
  /** Of the tenant, where new segments go. */
  readonly own: NamespaceKey;
  /** Of the prefixes that are looked at too. */
  readonly shared: readonly NamespaceKey[];
  /** Of a text; its chain counts bytes. */
  readonly text?: Pick<TextSequence, "text" | "guessedTokens">;
}

/** What is known of a segment that is to be stored. */
export interface IndexedChain {
  readonly chain: SegmentChain;
  readonly place: IndexPlace;
}

/**
 * Beside a token for each byte: those that tokenizers put before a text, or behind it. Where there are more, less is stored.
 */
const ADDED_TOKENS = 2;
const GUESSES_RESERVED = 2;

/** No HMAC is known to be all zero, so nothing is stored here. */
const NOWHERE: Digest = new Uint8Array(DIGEST_BYTES);

export class PromptIndex {
  readonly view: PromptView;
  readonly #chain: SequenceChain;
  readonly #scope: IndexScope;
  readonly #digests: Digests;

  constructor(chain: SequenceChain, scope: IndexScope, digests: Digests) {
    this.#chain = chain;
    this.#scope = scope;
    this.#digests = digests;
    const { length, step } = chain;
    const namespaces = [scope.own, ...scope.shared].map((key) => this.#namespace(key));
    const { text } = scope;
    this.view =
      text === undefined
        ? { tokens: length, length, step, namespaces }
        : { tokens: length + ADDED_TOKENS, length, step, namespaces, isEnd: endsOf(text.text) };
  }

  /** A guess where nobody but the engine tokenises: more than so many of them are stored. */
  promptTokens(storedTokens: number): number {
    const { text } = this.#scope;
    return text === undefined ? this.view.tokens : Math.max(text.guessedTokens, storedTokens + 1);
  }

  /** To be reserved for. What a text has beyond twice the guess is not stored. */
  reservedTokens(storedTokens: number): number {
    return Math.min(this.view.tokens, GUESSES_RESERVED * this.promptTokens(storedTokens));
  }

  /** Undefined of tokens. `storedEnd`: the chain's digest where what is listed ends; undefined where nothing is. */
  plannedText(storedEnd: Digest | undefined): PlannedText | undefined {
    const { text } = this.#scope;
    const before = storedEnd ?? this.#chain.endAt(0)?.digest;
    if (text === undefined || before === undefined) return undefined;
    const ends = textEnds(text.text).flatMap(({ at, behind }) => {
      const place = chainPlace(this.#chain, at);
      return place === undefined ? [] : [{ behind, place }];
    });
    return { kind: "text", bytes: this.#chain.length, ends, before };
  }

  /** Of the segment `[start, end)`; undefined where the sequence does not say what lies there. */
  chainOf(start: number, end: number): IndexedChain | undefined {
    const before = this.#chain.endAt(start)?.digest;
    const place = this.#chain.endAt(end) && chainPlace(this.#chain, end);
    if (before === undefined || place === undefined) return undefined;
    const { geometry, own } = this.#scope;
    const chain = { before, end: place };
    return { chain, place: indexPlace(own, { geometry, place }, this.#digests) };
  }

  /** Equal for equal tokens up to there in one namespace alone, and says nothing about them to others. */
  keyAt(at: number): Digest {
    return this.#keyAt(this.#scope.own, at);
  }

  #namespace(key: NamespaceKey): PromptNamespace {
    const { step } = this.#chain;
    // A plan asks for these again with every match.
    const gridKeys: Digest[] = [];
    return {
      gridKey: (index) => (gridKeys[index] ??= this.#keyAt(key, index * step)),
      leafKey: (index, length) => this.#keyAt(key, index * step + length),
    };
  }

  #keyAt(namespace: NamespaceKey, at: number): Digest {
    const end: ChainEnd | undefined = this.#chain.endAt(at);
    if (end === undefined) return NOWHERE;
    return indexKey(namespace, { geometry: this.#scope.geometry, end }, this.#digests);
  }
}

function endsOf({ splits }: SplitText): (at: number) => boolean {
  const known = new Set(splits);
  return (at) => known.has(at);
}
