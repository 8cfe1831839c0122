/** What a turn needs to know of a model, worked out once for each profile. */
import { type ChainFormat, tokenChain } from "../chain/chain-format.ts";
import type { Digests } from "../digest.ts";
import { type ChainKind, type GeometryKey, geometryKey } from "../model/geometry-key.ts";
import { layoutOf, type SegmentLayout } from "../model/layout.ts";
import type { LoadRules } from "../model/load-rules.ts";
import type { ModelProfile } from "../model/profile.ts";

/** Owned by the turn desk; the configuration has the profiles. The same object as long as nothing in it has changed. */
export interface ModelProfiles {
  profile(model: string): ModelProfile | undefined;
  /** Its engines keep KV in slots, of which snapshots are stored: nothing of such a model is planned by tokens, and it has no profile. */
  readonly hasSnapshots?: (model: string) => boolean;
}

export interface Model {
  readonly layout: SegmentLayout;
  readonly rules: LoadRules;
  readonly chainFormat: ChainFormat;
  geometry(kind: ChainKind): GeometryKey;
}

export class Models {
  readonly #profiles: ModelProfiles;
  readonly #digests: Digests;
  readonly #known = new WeakMap<ModelProfile, Model>();

  constructor(profiles: ModelProfiles, digests: Digests) {
    this.#profiles = profiles;
    this.#digests = digests;
  }

  /** Whether sessions of it can be made. */
  isServed(name: string): boolean {
    return this.#profiles.hasSnapshots?.(name) === true || this.lookup(name) !== undefined;
  }

  lookup(name: string): Model | undefined {
    const profile = this.#profiles.profile(name);
    if (profile === undefined) return undefined;
    const known = this.#known.get(profile);
    if (known !== undefined) return known;
    const model = modelOf(profile, this.#digests);
    this.#known.set(profile, model);
    return model;
  }
}

function modelOf(profile: ModelProfile, digests: Digests): Model {
  const keys = new Map<ChainKind, GeometryKey>();
  return {
    layout: layoutOf(profile),
    rules: profile,
    chainFormat: tokenChain(profile.pageSize),
    geometry: (chainKind) => {
      const key = keys.get(chainKind) ?? geometryKey({ profile, chainKind }, digests);
      keys.set(chainKind, key);
      return key;
    },
  };
}
