/** Where a sequence's ends are in the index of a tenant: the keys that a match looks up, and those that a new segment gets. */
import type { PromptView } from "../catalog.ts";
import type { ChainEnd } from "../chain/chain.ts";
import { indexKey, type NamespaceKey } from "../chain/index-key.ts";
import { DIGEST_BYTES, type Digest, type Digests } from "../digest.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { SegmentChain } from "../records.ts";
import type { SequenceChain } from "./token-sequence.ts";

export interface IndexNamespace {
  readonly key: NamespaceKey;
  readonly geometry: GeometryKey;
}

/** No HMAC is known to be all zero, so nothing is stored here. */
const NOWHERE: Digest = new Uint8Array(DIGEST_BYTES);

export class PromptIndex {
  readonly #chain: SequenceChain;
  readonly #namespace: IndexNamespace;
  readonly #digests: Digests;
  /** Of grid points, which every match of one plan asks for again. */
  readonly #gridKeys: Digest[] = [];

  constructor(chain: SequenceChain, namespace: IndexNamespace, digests: Digests) {
    this.#chain = chain;
    this.#namespace = namespace;
    this.#digests = digests;
  }

  get view(): PromptView {
    const { length, step } = this.#chain;
    return {
      tokens: length,
      length,
      step,
      namespaces: [
        {
          gridKey: (index) => (this.#gridKeys[index] ??= this.keyAt(index * step)),
          leafKey: (index, leaf) => this.keyAt(index * step + leaf),
        },
      ],
    };
  }

  /** Of the segment `[start, end)`; undefined where the sequence does not say what lies there. */
  chainOf(start: number, end: number): SegmentChain | undefined {
    const [before, after] = [this.#chain.endAt(start), this.#chain.endAt(end)];
    if (before === undefined || after === undefined) return undefined;
    const length = end % this.#chain.step;
    const gridKey = this.keyAt(end - length);
    const leaf = length === 0 ? undefined : { length, key: this.#keyOf(after) };
    return { before: before.digest, after: after.digest, end: { gridKey, leaf } };
  }

  /** Equal for equal tokens up to there in one namespace alone, and says nothing about them to others. */
  keyAt(at: number): Digest {
    const end = this.#chain.endAt(at);
    return end === undefined ? NOWHERE : this.#keyOf(end);
  }

  #keyOf(end: ChainEnd): Digest {
    const { key, geometry } = this.#namespace;
    return indexKey(key, { geometry, end }, this.#digests);
  }
}
