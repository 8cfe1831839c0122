/** Matches alone, as a plan asks for them: with a chain that is hashed, and keys that are computed when the match wants them. */
import { createDigests } from "../../src/digests.ts";
import type { Catalog } from "../../src/kv/catalog.ts";
import type { NamespaceKey } from "../../src/kv/chain/index-key.ts";
import { Models } from "../../src/kv/turns/models.ts";
import { PromptIndex } from "../../src/kv/turns/prompt-index.ts";
import { SequenceChain } from "../../src/kv/turns/token-sequence.ts";
import { type Prompt, sequenceOf } from "./prompts.ts";
import { GEOMETRY, LOCATIONS, PROFILE } from "./scale.ts";

const digests = createDigests();

export class Lookups {
  readonly #catalog: Pick<Catalog, "match">;
  readonly #key: NamespaceKey;
  readonly tookMs: number[] = [];

  constructor(catalog: Pick<Catalog, "match">, key: NamespaceKey) {
    this.#catalog = catalog;
    this.#key = key;
  }

  lookup({ session: id, ids }: Prompt): void {
    const model = new Models({ profile: () => PROFILE }, digests).lookup("bench");
    if (model === undefined) throw new Error("there is one model");
    const chain = new SequenceChain(sequenceOf(ids), model.chainFormat, digests);
    const scope = { geometry: GEOMETRY, own: this.#key, shared: [] };
    const { view } = new PromptIndex(chain, scope, digests);
    const from = performance.now();
    const match = this.#catalog.match({
      session: { tenant: "", id },
      prompt: view,
      rules: PROFILE,
      locations: LOCATIONS,
    });
    if (match instanceof Promise) throw new Error("LMDB answers at once");
    this.tookMs.push(performance.now() - from);
  }
}
