/** Where a sequence's ends are in the index: the keys that a match looks up, and those that a new segment gets. */
import type { PromptNamespace, PromptView } from "../catalog.ts";
import { chainPlace, indexPlace } from "../chain/chain-place.ts";
import type { ChainEnd } from "../chain/chain.ts";
import { indexKey, type NamespaceKey } from "../chain/index-key.ts";
import { DIGEST_BYTES, type Digest, type Digests } from "../digest.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { IndexPlace, SegmentChain } from "../records.ts";
import type { SequenceChain } from "./token-sequence.ts";

export interface IndexScope {
  readonly geometry: GeometryKey;
  /** Of the tenant, where new segments go. */
  readonly own: NamespaceKey;
  /** Of the prefixes that are looked at too. */
  readonly shared: readonly NamespaceKey[];
}

/** What is known of a segment that is to be stored. */
export interface IndexedChain {
  readonly chain: SegmentChain;
  readonly place: IndexPlace;
}

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
    this.view = { tokens: length, length, step, namespaces };
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
