/** Sessions, with the quota that their tenant has and a model that there is. What needs neither is asked of the catalog itself. */
import type { Catalog, CreateOutcome, ForkOutcome, PinOutcome } from "../catalog.ts";
import type { Retention, SessionKey } from "../records.ts";
import type { ModelProfiles } from "./models.ts";
import type { Tenants } from "./tenants.ts";

export interface SessionDeskOptions {
  readonly catalog: Catalog;
  readonly tenants: Tenants;
  readonly profiles: ModelProfiles;
  /** Wall clock. */
  readonly nowMs: () => number;
}

export interface OpenSession {
  readonly session: SessionKey;
  readonly model: string;
  readonly retention: Retention;
}

type Unknown<R extends string> = { readonly kind: "refused"; readonly reason: R };

export class SessionDesk {
  readonly #options: SessionDeskOptions;

  constructor(options: SessionDeskOptions) {
    this.#options = options;
  }

  /** Idempotent: a session that is there is answered as it is, whatever its model. */
  async create(
    open: OpenSession,
  ): Promise<CreateOutcome | Unknown<"unknown_tenant" | "unknown_model">> {
    const { catalog, tenants, profiles, nowMs } = this.#options;
    const tenant = tenants.tenant(open.session.tenant);
    if (tenant === undefined) return { kind: "refused", reason: "unknown_tenant" };
    if (profiles.profile(open.model) === undefined) {
      return { kind: "refused", reason: "unknown_model" };
    }
    return catalog.create({ ...open, quota: tenant.quota, nowMs: nowMs() });
  }

  /** `child`: the id of the new session, which lists what is durable of the parent now. */
  async fork(parent: SessionKey, child: string): Promise<ForkOutcome | Unknown<"unknown_tenant">> {
    const { catalog, tenants, nowMs } = this.#options;
    const tenant = tenants.tenant(parent.tenant);
    if (tenant === undefined) return { kind: "refused", reason: "unknown_tenant" };
    return catalog.fork({ parent, child, quota: tenant.quota, nowMs: nowMs() });
  }

  /** `untilMs`: wall clock; 0 lifts the pin. */
  async pin(session: SessionKey, untilMs: number): Promise<PinOutcome | "unknown_tenant"> {
    const { catalog, tenants, nowMs } = this.#options;
    const tenant = tenants.tenant(session.tenant);
    if (tenant === undefined) return "unknown_tenant";
    return catalog.pin({ session, untilMs, quota: tenant.quota, nowMs: nowMs() });
  }
}
