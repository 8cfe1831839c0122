/**
 * Sessions and shared prefixes, with the quota and the key that their tenant has and a model that there is. What needs none of these
 * is asked of the catalog itself.
 */
import type { Scheduler } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";
import {
  type AttachOutcome,
  type CreateOutcome,
  type ForkOutcome,
  type ForkPosition,
  type PinOutcome,
  SESSION_SEGMENTS_LIMIT,
} from "../holders.ts";
import type { NamespaceKeys } from "../chain/namespace-keys.ts";
import type { Digests } from "../digest.ts";
import type { Prefix, PrefixKey, Retention, Segment, SegmentId, SessionKey } from "../records.ts";
import { listedIn } from "./listed.ts";
import type { Model, Models } from "./models.ts";
import { coverOfFirst } from "./prefix-cover.ts";
import { AT_ONCE, attachStepwise, createPrefixStepwise, visibleStepwise } from "./stepwise.ts";
import type { Tenant, Tenants } from "./tenants.ts";

export interface SessionDeskOptions {
  readonly catalog: Catalog;
  readonly tenants: Tenants;
  /** Of the prefixes; a tenant has its own. */
  readonly keys: Pick<NamespaceKeys, "prefix">;
  readonly models: Models;
  readonly digests: Digests;
  /** Wall clock. */
  readonly nowMs: () => number;
  readonly scheduler: Scheduler;
  /** Told of each refusal for a quota; returns at once. */
  readonly quotaRefused: (quota: "sessions" | "pins") => void;
}

export interface OpenSession {
  readonly session: SessionKey;
  readonly model: string;
  readonly retention: Retention;
}

export interface OpenPrefix {
  readonly prefix: PrefixKey;
  /** The id of a session of the same tenant. */
  readonly session: string;
  /** Whole segments within the first so many tokens of the session; all of them if it is Infinity. */
  readonly tokens: number;
  /** Besides its own tenant. */
  readonly to: Prefix["to"];
  /** Undefined: until it is removed. */
  readonly ttlMs: number | undefined;
}

type CreatedPrefix = Awaited<ReturnType<typeof createPrefixStepwise>>;

type Refused<R extends string> = { readonly kind: "refused"; readonly reason: R };

export class SessionDesk {
  readonly #options: SessionDeskOptions;

  constructor(options: SessionDeskOptions) {
    this.#options = options;
  }

  /** Idempotent: a session that is there is answered as it is, whatever its model. */
  async create(
    open: OpenSession,
  ): Promise<CreateOutcome | Refused<"unknown_tenant" | "unknown_model">> {
    const { catalog, models, nowMs } = this.#options;
    const tenant = this.#tenant(open.session);
    if (tenant === undefined) return refused("unknown_tenant");
    if (!models.isServed(open.model)) return refused("unknown_model");
    return this.#told(await catalog.create({ ...open, quota: tenant.quota, nowMs: nowMs() }));
  }

  /**
   * `child`: the id of the new session, which lists what is durable of the parent now. A long list is copied in steps: what the
   * parent lets go of meanwhile may be missing, and a process that ends meanwhile leaves a fork of its first segments.
   */
  async fork(parent: SessionKey, child: string): Promise<ForkOutcome | Refused<"unknown_tenant">> {
    const { catalog, nowMs } = this.#options;
    const tenant = this.#tenant(parent);
    if (tenant === undefined) return refused("unknown_tenant");
    const step = { parent, child, nowMs: nowMs(), limit: AT_ONCE };
    const outcome = this.#told(await catalog.fork({ ...step, quota: tenant.quota }));
    if (outcome.kind === "refused" || outcome.rest === undefined) return outcome;
    let after: ForkPosition | undefined = outcome.rest;
    while (after !== undefined) after = await catalog.goOnFork({ ...step, after });
    const session = await catalog.session({ tenant: parent.tenant, id: child });
    return { kind: "created", session: session ?? outcome.session, rest: undefined };
  }

  /**
   * The session lists these too from now on, all or none. `no_segment`: one is not the tenant's to see, or not there;
   * `other_model`: one would never be found by the session's prompts.
   */
  async attach(
    session: SessionKey,
    ids: readonly SegmentId[],
  ): Promise<AttachOutcome | Refused<"unknown_tenant" | "unknown_model" | "other_model">> {
    const { catalog, digests, models, nowMs, scheduler } = this.#options;
    const tenant = this.#tenant(session);
    if (tenant === undefined) return refused("unknown_tenant");
    const known = await catalog.session(session);
    if (known === undefined) return refused("no_session");
    if (!models.isServed(known.model)) return refused("unknown_model");
    const model = models.lookup(known.model);
    const now = nowMs();
    const { trusts } = tenant;
    const reader = { tenant: session.tenant, trusts };
    const look = async (some: readonly SegmentId[]) => catalog.visibleSegments(reader, some, now);
    const segments = await visibleStepwise(look, [...new Set(ids)], scheduler);
    if (segments === undefined) return refused("no_segment");
    if (!segments.every((segment) => mayBeOf(model, segment))) return refused("other_model");
    if (known.segments + segments.length > SESSION_SEGMENTS_LIMIT) return refused("segments_limit");
    const listed = listedIn(tenant.key, segments, digests);
    return attachStepwise(catalog, { session, trusts, listed, nowMs: now });
  }

  /** `untilMs`: wall clock; 0 lifts the pin. */
  async pin(session: SessionKey, untilMs: number): Promise<PinOutcome | "unknown_tenant"> {
    const { catalog, nowMs } = this.#options;
    const tenant = this.#tenant(session);
    if (tenant === undefined) return "unknown_tenant";
    const outcome = await catalog.pin({ session, untilMs, quota: tenant.quota, nowMs: nowMs() });
    if (outcome === "quota_pins") this.#options.quotaRefused("pins");
    return outcome;
  }

  /** `no_segment`: the session has nothing durable within these tokens. */
  async createPrefix(
    open: OpenPrefix,
  ): Promise<CreatedPrefix | Refused<"unknown_tenant" | "no_session">> {
    const { catalog, keys, digests, nowMs } = this.#options;
    const { prefix, to, ttlMs, tokens } = open;
    const tenant = this.#tenant(prefix);
    if (tenant === undefined) return refused("unknown_tenant");
    const session = { tenant: prefix.tenant, id: open.session };
    if ((await catalog.session(session)) === undefined) return refused("no_session");
    const cover = coverOfFirst(await catalog.segments(session), tokens);
    const now = nowMs();
    const outcome = await createPrefixStepwise(catalog, {
      prefix,
      to,
      trusts: tenant.trusts,
      segments: listedIn(keys.prefix(prefix), cover, digests),
      expiresAtMs: ttlMs === undefined ? undefined : now + ttlMs,
      quota: tenant.quota,
      nowMs: now,
    });
    return this.#told(outcome);
  }

  #told<O extends { readonly kind: string; readonly reason?: unknown }>(outcome: O): O {
    if (outcome.reason === "quota_sessions") this.#options.quotaRefused("sessions");
    if (outcome.reason === "quota_pins") this.#options.quotaRefused("pins");
    return outcome;
  }

  #tenant({ tenant }: { readonly tenant: string }): Tenant | undefined {
    return this.#options.tenants.tenant(tenant);
  }
}

function refused<R extends string>(reason: R): Refused<R> {
  return { kind: "refused", reason };
}

/** Of its token chains, which are what prompts are of; undefined: its engines have none, and keep snapshots. Which model one of these is of, only the engine knows that restores it. */
function mayBeOf(model: Model | undefined, { geometry, snapshot }: Segment): boolean {
  if (snapshot !== undefined) return true;
  const kinds = ["engine", "tokenizer"] as const;
  return kinds.some(
    (kind) => model !== undefined && Buffer.compare(model.geometry(kind), geometry) === 0,
  );
}
