/** What a turn of a session is about, as it is now: whose it is, its model, and where the prompt may be found. */
import type { Clock, Scheduler } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";
import { TEXT_CHAIN } from "../chain/chain-format.ts";
import type { NamespaceKeys } from "../chain/namespace-keys.ts";
import type { Digests } from "../digest.ts";
import type { Prefix, Session, SessionKey } from "../records.ts";
import { KnownChains } from "./known-chains.ts";
import type { Model, Models } from "./models.ts";
import { PromptIndex } from "./prompt-index.ts";
import type { Tenant, Tenants } from "./tenants.ts";
import { SequenceChain, type TextSequence, type TokenSequence } from "./token-sequence.ts";
import { appendTextUnhurried, appendUnhurried } from "./unhurried.ts";
import type { PlanRequest, UnplannedReason } from "./turn-plan.ts";

export interface SettingsOptions {
  readonly catalog: Catalog;
  readonly tenants: Tenants;
  readonly models: Models;
  /** Of the prefixes; a tenant has its own. */
  readonly keys: Pick<NamespaceKeys, "prefix">;
  readonly digests: Digests;
  /** Wall clock: whole milliseconds, as in the catalog. */
  readonly nowMs: () => number;
  /** Of waiting, which no jump of the wall clock makes longer. */
  readonly scheduler: Clock & Scheduler;
}

export interface IndexedTokens {
  readonly sequence: TokenSequence | TextSequence;
  /** That follow it; none follow a text. */
  readonly output: ArrayLike<number>;
}

/** Of a session that may be there or not. */
export interface Scope {
  readonly session: SessionKey;
  readonly tenant: Tenant;
  readonly model: Model;
}

export interface Setting extends Scope {
  readonly session: Session;
}

/** Of prompts whose digests are kept: some 7 bytes a token. */
const KNOWN_BYTES = 64 * 1024 * 1024;

export class Settings {
  readonly #options: SettingsOptions;
  readonly #known = new KnownChains(KNOWN_BYTES);

  constructor(options: SettingsOptions) {
    this.#options = options;
  }

  async settingOf({ tenant: name, id }: SessionKey): Promise<Setting | UnplannedReason> {
    const { catalog, models, tenants } = this.#options;
    const tenant = tenants.tenant(name);
    if (tenant === undefined) return "unknown_tenant";
    const session = await catalog.session({ tenant: name, id });
    if (session === undefined) return "no_session";
    const model = models.lookup(session.model);
    return model === undefined ? "unknown_model" : { session, tenant, model };
  }

  scopeOf(session: SessionKey, modelName: string): Scope | "unknown_tenant" | "unknown_model" {
    const tenant = this.#options.tenants.tenant(session.tenant);
    if (tenant === undefined) return "unknown_tenant";
    const model = this.#options.models.lookup(modelName);
    return model === undefined ? "unknown_model" : { session, tenant, model };
  }

  /** Those that the tenant's plans consult. */
  async prefixesOf({ session, tenant: { trusts } }: Scope): Promise<readonly Prefix[]> {
    const { catalog, nowMs } = this.#options;
    return catalog.prefixes({ tenant: session.tenant, trusts }, nowMs());
  }

  /** In the namespaces of the tenant and of these prefixes. Hashes what of the sequence is not known yet, in no hurry. */
  async indexOf(
    { sequence, output }: IndexedTokens,
    { session, tenant, model }: Scope,
    prefixes: readonly Prefix[],
  ): Promise<PromptIndex> {
    const { digests, keys, scheduler } = this.#options;
    const shared = prefixes.map((prefix) => keys.prefix(prefix));
    const scope = { geometry: model.geometry(sequence.kind), own: tenant.key, shared };
    if (sequence.kind === "text") {
      const { context, text } = sequence;
      const chain = new SequenceChain({ context, grid: [], text }, TEXT_CHAIN, digests);
      await appendTextUnhurried(chain, text, scheduler);
      return new PromptIndex(chain, { ...scope, text: sequence }, digests);
    }
    const chain = new SequenceChain(sequence, model.chainFormat, digests);
    const known = this.#known.begin(session, sequence, chain.step);
    if (known !== undefined) chain.appendKnown(known);
    await appendUnhurried(chain, idsFrom(sequence.ids, known?.ids.length), scheduler);
    this.#known.keep(session, sequence, chain);
    await appendUnhurried(chain, output, scheduler);
    return new PromptIndex(chain, scope, digests);
  }
}

/** A view, where they may begin in the middle at all. */
function idsFrom(ids: ArrayLike<number>, from = 0): ArrayLike<number> {
  return ids instanceof Uint32Array ? ids.subarray(from) : ids;
}

/** Whether what is planned for the session is what the engine that is asked can load. */
export function isPlannable({ geometry, prompt }: PlanRequest, { model }: Setting): boolean {
  return geometry === undefined || Buffer.compare(geometry, model.geometry(prompt.kind)) === 0;
}
