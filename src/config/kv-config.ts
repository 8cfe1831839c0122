/**
 * The `kv` section in the terms of the KV core: what its parts are constructed with, apart from what compose.ts injects. Pure:
 * nothing is opened, read or constructed here.
 */
import { join } from "node:path";
import type { Quotas, RetentionClasses } from "../api/ports.ts";
import type { Tokens } from "../api/principal.ts";
import { AppError } from "../errors.ts";
import type { Quota, Reader } from "../kv/holders.ts";
import type { DirectoryOptions } from "../kv/locations/directory.ts";
import type { ModelProfile } from "../kv/model/profile.ts";
import type { ReplicaPolicy } from "../kv/popularity/replicator.ts";
import type { Prices } from "../kv/prediction/price.ts";
import type { ModelProfiles } from "../kv/turns/models.ts";
import type { Place } from "../kv/turns/places.ts";
import type { TurnPolicy } from "../kv/turns/turn-desk.ts";
import type { DialectName } from "../kv/dialects/dialect.ts";
import type { TokenizerFiles } from "../kv/tokens/tokenizer-files.ts";
import type { ScrubberOptions } from "../kv/verify/scrubber.ts";
import type { TwoPassOptions } from "../kv/verify/two-pass-verifier.ts";
import type { Config, PoolConfig, PoolKvConfig } from "./config.ts";

/** Of a configuration that has the section. */
export type KvConfig = NonNullable<Config["kv"]>;
export type LocationConfig = KvConfig["locations"][number];
export type RetentionClass = KvConfig["retention"]["classes"][number];

/** Beside the catalog's data, so that whoever keeps or moves one keeps the other: without it nothing stored is found again. */
export function secretPath({ secretFile, catalog }: KvConfig): string {
  return secretFile ?? join(catalog.path, "secret");
}

/** By model as `pools[].models` has it; the default pool's for every other. The same object each time. */
export function modelProfiles(pools: readonly PoolConfig[]): ModelProfiles {
  const poolOf = poolsByModel(pools);
  return {
    profile: (model) => profileOf(poolOf(model)),
    hasSnapshots: (model) => poolOf(model)?.kv?.dialect === "llamacpp-slots",
  };
}

/** The pool that serves a model. */
export function poolsByModel(
  pools: readonly PoolConfig[],
): (model: string) => PoolConfig | undefined {
  const byModel = new Map(pools.flatMap((pool) => pool.models.map((model) => [model, pool])));
  const defaultPool = pools.find(({ models }) => models.length === 0);
  return (model) => byModel.get(model) ?? defaultPool;
}

/** Of all pools, each once. */
export function configuredProfiles(pools: readonly PoolConfig[]): readonly ModelProfile[] {
  return [...new Set(pools.flatMap((pool) => profileOf(pool) ?? []))];
}

/** Undefined where the pool's engines store nothing. */
export function profileOf(pool: PoolConfig | undefined): ModelProfile | undefined {
  return pool?.kv?.profile ?? undefined;
}

/** Undefined where it has none. */
export function pricesOf({ kv }: PoolConfig): Prices | undefined {
  const prices = kv?.prices ?? undefined;
  if (prices === undefined) return undefined;
  return { ...prices, cachedInput: prices.cachedInput ?? prices.uncachedInput };
}

/** A pool whose turns are read, and load and store segments. */
export type TurnPoolConfig = PoolConfig & {
  readonly kv: PoolKvConfig & {
    readonly dialect: Exclude<DialectName, "llamacpp-slots">;
    readonly profile: ModelProfile;
  };
};

export function turnPools(pools: readonly PoolConfig[]): readonly TurnPoolConfig[] {
  return pools.filter(
    (pool): pool is TurnPoolConfig =>
      (pool.kv?.dialect ?? null) !== null && profileOf(pool) !== undefined,
  );
}

/** A pool whose turns are read, and whose engines keep KV in slots. */
export type SlotPoolConfig = PoolConfig & {
  readonly kv: PoolKvConfig & { readonly dialect: "llamacpp-slots" };
};

export function slotPools(pools: readonly PoolConfig[]): readonly SlotPoolConfig[] {
  return pools.filter((pool): pool is SlotPoolConfig => pool.kv?.dialect === "llamacpp-slots");
}

/**
 * The model that sessions of the pool are made with: one that it serves, or a name for the default pool's that is none of another. The
 * same for as long as the pools' models are.
 */
export function sessionModel(
  { name, models, kv: { profile } }: TurnPoolConfig,
  profiles: ModelProfiles,
): string {
  const isIts = (model: string) => profiles.profile(model) === profile;
  const known = [...models, profile.id, name].find(isIts);
  if (known !== undefined) return known;
  for (let number = 2; ; number++) {
    const numbered = `${name}-${number}`;
    if (isIts(numbered)) return numbered;
  }
}

/** The same of a pool without a profile. */
export function slotSessionModel({ name, models, kv: { slots } }: SlotPoolConfig): string {
  return models[0] ?? slots.modelId ?? name;
}

export function tokenizerFiles({ kv: { tokenizer } }: TurnPoolConfig): TokenizerFiles | undefined {
  if (tokenizer === null) return undefined;
  const { file, config, template } = tokenizer;
  return { file, config: config ?? undefined, template: template ?? undefined };
}

type DirectoryPlace = Pick<DirectoryOptions, "profile" | "root" | "naming" | "uriPrefix">;

export function directoryOf(location: LocationConfig): DirectoryPlace {
  const { id, root, naming, uriPrefix, tier, capacityBytes, freeFloorBytes, weight } = location;
  return {
    profile: { id, tier, capacityBytes, freeFloorBytes, weight },
    root,
    naming,
    uriPrefix,
  };
}

/** Files are named after their sessions only where people and engines look for them by that name. */
export function fileNamesOf({ naming }: LocationConfig): Place["fileNames"] {
  return naming === "flat" ? "session" : "random";
}

/** The default class of a tenant that is not known is that of everybody. */
export function retentionClasses(kv: KvConfig): RetentionClasses {
  const classes = new Map(kv.retention.classes.map((each) => [each.name, each]));
  const known = (name: string | null): RetentionClass => {
    const found = classes.get(name ?? kv.retention.defaultClass);
    if (found === undefined) throw new AppError("internal", `there is no retention class ${name}`);
    return found;
  };
  const standard = known(null);
  const defaults = new Map(tenantsOf(kv).map((each) => [each.name, known(each.retentionClass)]));
  return {
    lookup: (name) => classes.get(name),
    defaultOf: (tenant) => defaults.get(tenant) ?? standard,
  };
}

export function quotas(kv: KvConfig): Quotas {
  const byTenant = new Map(
    tenantsOf(kv).map(({ name, quota: { bytes, sessions, pins } }): [string, Quota] => [
      name,
      { bytes: bytes ?? Number.MAX_SAFE_INTEGER, sessions, pins },
    ]),
  );
  return { quota: (tenant) => byTenant.get(tenant) };
}

/** Whoever is not known trusts nobody. */
export function readers(kv: KvConfig): (tenant: string) => Reader {
  const byTenant = new Map(tenantsOf(kv).map(({ name, trusts }) => [name, trusts]));
  return (tenant) => ({ tenant, trusts: byTenant.get(tenant) ?? [] });
}

/** Tenants by the SHA-256 of their tokens, in lower-case hex digits. The default tenant has none. */
export function tenantTokens({ tenants }: KvConfig): Tokens["tenants"] {
  return new Map(
    tenants.flatMap(({ name, tokenHashes }) => tokenHashes.map((hash) => [hash, name] as const)),
  );
}

/** With the default one, whose name is empty. */
function tenantsOf({ defaultTenant, tenants }: KvConfig) {
  return [{ ...defaultTenant, name: "" }, ...tenants];
}

export function turnPolicy({ turns, verify, admission }: KvConfig): TurnPolicy {
  return { ...turns, ...admission, recheck: verify.listing };
}

/** Undefined where no segment would ever have a second copy. */
export function replicaPolicy({ locations, replicas }: KvConfig): ReplicaPolicy | undefined {
  const places = locations.filter(({ engines }) => engines).length;
  const max = Math.min(replicas.max ?? places, places);
  return max < 2 ? undefined : { ...replicas, max };
}

type VerifierLimits = Omit<TwoPassOptions, "clock" | "crc32" | "observer">;

export function verifierLimits({ verify }: KvConfig): VerifierLimits {
  const { quietMs, settleMaxMs, probeTimeoutMs, passesLimit, passBytesLimit, queueLimit } = verify;
  return {
    engine: verify.engine === "required" ? "probe" : "none",
    quietMs,
    settleMaxMs,
    probeTimeoutMs,
    passesLimit,
    passBytesLimit,
    queueLimit,
  };
}

export function scrubberPace({
  verify,
}: KvConfig): Pick<ScrubberOptions, "scrubIntervalMs" | "bytesPerSecond"> {
  return { scrubIntervalMs: verify.scrubIntervalMs, bytesPerSecond: verify.scrubBytesPerSecond };
}
