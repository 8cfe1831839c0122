/** The KV half: catalog, locations, turns, keeper and the KV API. */
import { randomBytes, randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Metrics } from "./admin/metrics.ts";
import { KvMetrics } from "./admin/kv-metrics.ts";
import { openKvApi } from "./api/server.ts";
import type { Closers } from "./closers.ts";
import { systemClock, systemRandom, systemWallClock } from "./clock.ts";
import type { Config } from "./config/config.ts";
import {
  configuredProfiles,
  directoryOf,
  fileNamesOf,
  type KvConfig,
  modelProfiles,
  quotas as quotasOf,
  retentionClasses,
  secretPath,
  tenantTokens,
  turnPolicy,
  verifierLimits,
} from "./config/kv-config.ts";
import { createDigests } from "./digests.ts";
import { AppError } from "./errors.ts";
import { openTlsFiles } from "./extproc/tls.ts";
import type { Catalog } from "./kv/catalog.ts";
import { LmdbStore } from "./kv/catalog/lmdb.ts";
import { openCatalog } from "./kv/catalog/rule-catalog.ts";
import { NamespaceKeys } from "./kv/chain/namespace-keys.ts";
import { type Location, LocationFault } from "./kv/location.ts";
import { openDirectory } from "./kv/locations/directory.ts";
import { type OperationEnd, timed } from "./kv/locations/timed.ts";
import { layoutsByGeometry } from "./kv/model/layouts.ts";
import { Places } from "./kv/turns/places.ts";
import { SessionDesk } from "./kv/turns/session-desk.ts";
import { TurnDesk } from "./kv/turns/turn-desk.ts";
import { TwoPassVerifier } from "./kv/verify/two-pass-verifier.ts";
import { createKvObservers } from "./kv-observers.ts";
import type { Logger } from "./log.ts";
import type { createObservers } from "./observers.ts";
import { readOrMakeSecret } from "./secret-file.ts";

export interface KvHalfOptions {
  readonly config: Config;
  readonly kv: KvConfig;
  readonly adminToken: string | null;
  readonly closers: Closers;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly observers: Pick<ReturnType<typeof createObservers>, "tlsReloaded" | "tlsFailed">;
}

export interface KvHalf {
  /** Of the KV API. */
  readonly address: string;
}

export async function openKv(options: KvHalfOptions): Promise<KvHalf> {
  const { config, kv, closers, log } = options;
  const metrics = new KvMetrics(options.metrics.registry);
  const observers = createKvObservers({ log: log.part("kv"), metrics });
  const digests = createDigests();
  const secret = await readOrMakeSecret(secretPath(kv));
  const keys = new NamespaceKeys(secret, digests);
  const catalog = await openLmdbCatalog(kv, closers);
  const locations = await openLocations(kv, {
    catalog,
    closers,
    ended: observers.locations,
  });

  const verifier = new TwoPassVerifier({
    ...verifierLimits(kv),
    clock: systemClock,
    crc32,
    observer: observers.verifier,
  });
  closers.add(() => verifier.close());
  const quotas = quotasOf(kv);
  const known = {
    catalog,
    profiles: modelProfiles(config.pools),
    tenants: {
      tenant: (name: string) => {
        const quota = quotas.quota(name);
        return quota === undefined ? undefined : { key: keys.tenant(name), quota };
      },
    },
    keys,
    digests,
    nowMs: systemWallClock,
  };
  const turns = new TurnDesk({
    ...known,
    places: placesOf(kv, locations),
    verifier,
    scheduler: systemClock,
    newTurn: randomUUID,
    policy: turnPolicy(kv),
    pressed: () => undefined, // nobody makes room yet
    observer: observers.turns,
  });
  closers.add(() => turns.close());

  const api = await openKvApi(
    {
      sessions: new SessionDesk(known),
      turns,
      catalog,
      location: (id) => locations.get(id),
      retention: retentionClasses(kv),
      quotas,
      bytes: {
        catalog,
        location: (id) => locations.get(id),
        layout: layoutsByGeometry(configuredProfiles(config.pools), digests),
        digests,
        signingKey: digests.hmacSha256(secret, Buffer.from("signed urls")),
        clock: systemClock,
        nowMs: systemWallClock,
        limits: kv.api,
        observer: observers.bytes,
      },
      nowMs: systemWallClock,
      newSessionId: randomUUID,
    },
    {
      listen: kv.listen,
      bodyLimitBytes: kv.api.bodyLimitBytes,
      tls: await tlsOf(options),
      tokens: { admin: options.adminToken, tenants: tenantTokens(kv) },
      log: log.part("kv-api"),
    },
  );
  closers.add(() => api.close());
  return { address: api.address };
}

async function openLmdbCatalog({ catalog: { path, durability } }: KvConfig, closers: Closers) {
  const catalog = await openCatalog(new LmdbStore({ path, durability }));
  closers.add(() => catalog.close());
  return catalog;
}

interface LocationParts {
  readonly catalog: Catalog;
  readonly closers: Closers;
  readonly ended: (end: OperationEnd) => void;
}

async function openLocations(
  { locations }: KvConfig,
  { catalog, closers, ended }: LocationParts,
): Promise<ReadonlyMap<string, Location>> {
  const opened = new Map<string, Location>();
  for (const config of locations) {
    const { bookedBytes } = await catalog.locationUsage(config.id);
    const location = await openDirectory({
      ...directoryOf(config),
      isKnown: bookedBytes > 0,
      nowMs: systemWallClock,
      draftId: randomUUID,
    });
    if (location instanceof LocationFault) {
      const message = `kv.locations ${config.id} cannot be used: ${location.message}`;
      throw new AppError("config_invalid", message, { cause: location });
    }
    closers.add(() => location.close());
    opened.set(config.id, timed(location, { clock: systemClock, ended }));
  }
  return opened;
}

function placesOf({ locations }: KvConfig, opened: ReadonlyMap<string, Location>): Places {
  return new Places({
    places: locations.map((config) => ({
      location: mustHave(opened.get(config.id)),
      fileNames: fileNamesOf(config),
      headroomBytes: config.headroomBytes,
    })),
    tiers: ["memory", "disk"],
    random: systemRandom,
    newName: () => randomBytes(16).toString("hex"),
  });
}

async function tlsOf({ kv: { tls: paths }, closers, observers }: KvHalfOptions) {
  if (paths === null) return undefined;
  const tls = await openTlsFiles(
    { ...paths, clientCaFile: paths.clientCaFile ?? undefined },
    { scheduler: systemClock, onError: observers.tlsFailed },
  );
  tls.subscribe(observers.tlsReloaded);
  closers.add(() => tls.close());
  return tls;
}

function mustHave<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new AppError("internal", "the configuration names what it does not have");
}
