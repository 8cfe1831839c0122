/**
 * The `kv` section in the terms of the KV core: what its parts are constructed with, apart from what compose.ts injects. Pure:
 * nothing is opened, read or constructed here.
 */
import { join } from "node:path";
import { AppError } from "../errors.ts";
import type { Quota } from "../kv/catalog.ts";
import type { DirectoryOptions } from "../kv/locations/directory.ts";
import type { ModelProfile } from "../kv/model/profile.ts";
import type { Retention } from "../kv/records.ts";
import type { ModelProfiles } from "../kv/turns/models.ts";
import type { Place } from "../kv/turns/places.ts";
import type { TurnPolicy } from "../kv/turns/turn-desk.ts";
import type { ScrubberOptions } from "../kv/verify/scrubber.ts";
import type { TwoPassOptions } from "../kv/verify/two-pass-verifier.ts";
import type { Config, PoolConfig } from "./config.ts";

/** Of a configuration that has the section. */
export type KvConfig = NonNullable<Config["kv"]>;
export type LocationConfig = KvConfig["locations"][number];

/** Beside the catalog's data, so that whoever keeps or moves one keeps the other: without it nothing stored is found again. */
export function secretPath({ secretFile, catalog }: KvConfig): string {
  return secretFile ?? join(catalog.path, "secret");
}

/** By model as `pools[].models` has it; the default pool's for every other. The same object each time. */
export function modelProfiles(pools: readonly PoolConfig[]): ModelProfiles {
  const byModel = new Map(pools.flatMap((pool) => pool.models.map((model) => [model, pool])));
  const defaultPool = pools.find(({ models }) => models.length === 0);
  return { profile: (model) => profileOf(byModel.get(model) ?? defaultPool) };
}

/** Undefined where the pool's engines store nothing. */
export function profileOf(pool: PoolConfig | undefined): ModelProfile | undefined {
  return pool?.kv?.profile;
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

/** What a tenant has by the configuration. */
export interface TenantStanding {
  readonly quota: Quota;
  /** Of a session for which no class is asked. */
  readonly retention: Retention;
  /** SHA-256 of its bearer tokens, lower-case hex. */
  readonly tokenHashes: readonly string[];
}

/** By name. "" is the default tenant, which is always there and has no token. */
export function tenantStandings(kv: KvConfig): ReadonlyMap<string, TenantStanding> {
  const classes = retentionClasses(kv);
  const all = [{ name: "", tokenHashes: [], ...kv.defaultTenant }, ...kv.tenants];
  return new Map(
    all.map(({ name, tokenHashes, retentionClass, quota }) => {
      const retention = classes.get(retentionClass ?? kv.retention.defaultClass);
      if (retention === undefined) throw new AppError("internal", `no class for tenant ${name}`);
      return [name, { quota: quotaOf(quota), retention, tokenHashes }];
    }),
  );
}

function quotaOf({ bytes, sessions, pins }: KvConfig["defaultTenant"]["quota"]): Quota {
  return { bytes: bytes ?? Number.MAX_SAFE_INTEGER, sessions, pins };
}

/** By name, in the order of the configuration. */
export function retentionClasses({ retention }: KvConfig): ReadonlyMap<string, Retention> {
  return new Map(retention.classes.map((each) => [each.name, each]));
}

export function turnPolicy({ turns, verify }: KvConfig): TurnPolicy {
  return { ...turns, recheck: verify.listing };
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
