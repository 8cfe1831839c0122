/** Whether what a turn has left in a slot is worth a file, by the rule of all that is stored: `Admission`. A text counts here as far as it goes along. */
import type { Catalog } from "../catalog.ts";
import { Admission, SEEN_LIMIT } from "../turns/admission.ts";
import type { Places } from "../turns/places.ts";
import type { Tenants } from "../turns/tenants.ts";
import type { AdmitRequest } from "./snapshot-desk.ts";
import { indexOf, type SnapshotIndexParts } from "./snapshot-index.ts";

export interface SnapshotAdmissionOptions extends SnapshotIndexParts {
  readonly catalog: Pick<Catalog, "session" | "matchSnapshot">;
  readonly tenants: Tenants;
  readonly places: Pick<Places, "all">;
  /** Of a prompt; of one with fewer nothing is kept. */
  readonly minTokens: number;
}

export class SnapshotAdmission {
  readonly #options: SnapshotAdmissionOptions;
  readonly #admission: Admission;

  constructor(options: SnapshotAdmissionOptions) {
    this.#options = options;
    this.#admission = new Admission({ ...options, seenLimit: SEEN_LIMIT });
  }

  /** To be asked once for each turn: what is asked of one prompt was seen by the next. Rejects where the catalog does. */
  async admits(request: AdmitRequest): Promise<boolean> {
    const { catalog, tenants, places, minTokens } = this.#options;
    const { session, geometry, promptTokens } = request;
    const tenant = tenants.tenant(session.tenant);
    const known = tenant && (await catalog.session(session));
    if (tenant === undefined || known === undefined) return false;
    const { retention } = known;
    if (retention.admission === "always") return promptTokens >= minTokens;
    const scope = { geometry, own: tenant.key, prefixes: [] };
    const index = await indexOf(request.prompt, scope, this.#options);
    const wanted = { session, geometry, prompt: index.view, locations: places.all() };
    const stored = await catalog.matchSnapshot(wanted);
    const { view, keyAt } = index;
    const candidate = {
      index: { view, keyAt, promptTokens: () => promptTokens },
      storedTokens: stored?.commonUnits ?? 0,
      retention,
    };
    const refusal = this.#admission.refusal(candidate);
    this.#admission.remember(candidate);
    return refusal === undefined;
  }
}
