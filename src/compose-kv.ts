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
  quotas,
  retentionClasses,
  scrubberPace,
  secretPath,
  tenantTokens,
  turnPolicy,
  verifierLimits,
} from "./config/kv-config.ts";
import { createDigests } from "./digests.ts";
import { AppError } from "./errors.ts";
import { openTlsFiles } from "./extproc/tls.ts";
import type { Catalog } from "./kv/catalog.ts";
import { lockCatalog } from "./kv/catalog/catalog-lock.ts";
import { LmdbStore } from "./kv/catalog/lmdb.ts";
import { openCatalog } from "./kv/catalog/rule-catalog.ts";
import { NamespaceKeys } from "./kv/chain/namespace-keys.ts";
import { type Location, LocationFault } from "./kv/location.ts";
import { openDirectory } from "./kv/locations/directory.ts";
import { type OperationEnd, timed } from "./kv/locations/timed.ts";
import { layoutsByGeometry } from "./kv/model/layouts.ts";
import type { Tenants } from "./kv/turns/tenants.ts";
import { Places } from "./kv/turns/places.ts";
import { SessionDesk } from "./kv/turns/session-desk.ts";
import { TurnDesk } from "./kv/turns/turn-desk.ts";
import { type Keeper, openKeeper } from "./kv/upkeep/keeper.ts";
import { olderThan, scrubbedSegments } from "./kv/upkeep/scrubbed-segments.ts";
import { Scrubber } from "./kv/verify/scrubber.ts";
import { TwoPassVerifier } from "./kv/verify/two-pass-verifier.ts";
import { createKvObservers, type KvObservers } from "./kv-observers.ts";
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

/** Segments that may wait to be scrubbed out of turn, and when a failed look at the catalog is tried again. */
const SCRUB_LIMITS = { soonLimit: 10_000, retryMs: 60_000 };
/** Compaction reads and writes no more than this in one pass, and a copy is given up after this long. */
const KEEPER_LIMITS = {
  unlinksAtOnce: 4,
  copyBytesPerPass: 64 * 1024 * 1024,
  copyMs: 600_000,
  stockIntervalMs: 3_600_000,
};

export async function openKv(options: KvHalfOptions): Promise<KvHalf> {
  const { config, kv, closers, log } = options;
  const metrics = new KvMetrics(options.metrics.registry);
  const observers = createKvObservers({ log: log.part("kv"), metrics });
  const digests = createDigests();
  await lock(kv, closers);
  const secret = await readOrMakeSecret(secretPath(kv));
  const catalog = await openLmdbCatalog(kv, closers);
  const locations = await openLocations(kv, { catalog, closers, ended: observers.locations });
  const stored = { catalog, locations };

  const verifier = new TwoPassVerifier({
    ...verifierLimits(kv),
    clock: systemClock,
    crc32,
    observer: observers.verifier,
  });
  closers.add(() => verifier.close());
  const { scrubber, keeper } = openUpkeep(options, { ...stored, observers });
  const known = {
    catalog,
    profiles: modelProfiles(config.pools),
    tenants: tenantsOf(kv, new NamespaceKeys(secret, digests)),
    keys: new NamespaceKeys(secret, digests),
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
    pressed: (pressure) => keeper.press(pressure),
    observer: observers.turns((segment, outcome) => {
      const older = olderThan(catalog, segment, outcome);
      void older.then(
        (ids) => scrubber.scrubSoon(ids),
        (reason: unknown) => observers.scrubber.failed(reason),
      );
    }),
  });
  closers.add(() => turns.close());

  const api = await openKvApi(
    {
      sessions: new SessionDesk(known),
      turns,
      catalog,
      location: (id) => locations.get(id),
      retention: retentionClasses(kv),
      quotas: quotas(kv),
      bytes: {
        catalog,
        location: (id) => locations.get(id),
        layout: layoutsByGeometry(configuredProfiles(config.pools), digests),
        digests,
        signingKey: digests.hmacSha256(secret, Buffer.from("signed urls")),
        clock: systemClock,
        nowMs: systemWallClock,
        limits: kv.api,
        observer: observers.bytes((segment) => scrubber.scrubSoon([segment])),
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
  metrics.watch(observers.gauges({ ...stored, verifying: () => verifier.load.verifying }));
  return { address: api.address };
}

async function lock({ catalog: { path } }: KvConfig, closers: Closers): Promise<void> {
  const outcome = await lockCatalog({ path, newName: randomUUID });
  if (outcome.kind === "locked") {
    closers.add(() => outcome.lock.close());
    return;
  }
  const holder = outcome.by === undefined ? "another process" : `process ${outcome.by}`;
  throw new AppError("config_invalid", `kv.catalog.path ${path} is in use by ${holder}`);
}

interface Stored {
  readonly catalog: Catalog;
  readonly locations: ReadonlyMap<string, Location>;
}

/** What runs beside the requests. */
function openUpkeep(
  { kv, closers }: Pick<KvHalfOptions, "kv" | "closers">,
  { catalog, locations, observers }: Stored & { readonly observers: KvObservers },
): { readonly scrubber: Scrubber; readonly keeper: Keeper } {
  const scrubber = new Scrubber({
    ...scrubberPace(kv),
    ...SCRUB_LIMITS,
    clock: systemClock,
    crc32,
    segments: scrubbedSegments({ catalog, locations }),
    observer: observers.scrubber,
  });
  closers.add(() => scrubber.close());
  const keeper = openKeeper({
    catalog,
    locations: kv.locations.map(({ id, headroomBytes }) => ({
      location: mustHave(locations.get(id)),
      headroomBytes,
    })),
    clock: systemClock,
    nowMs: systemWallClock,
    newName: randomName,
    scrubSoon: (ids) => scrubber.scrubSoon(ids),
    policy: { ...kv.keeper, ...KEEPER_LIMITS },
    observer: observers.keeper,
  });
  closers.add(() => keeper.close());
  return { scrubber, keeper };
}

function tenantsOf(kv: KvConfig, keys: NamespaceKeys): Tenants {
  const known = quotas(kv);
  return {
    tenant: (name) => {
      const quota = known.quota(name);
      return quota === undefined ? undefined : { key: keys.tenant(name), quota };
    },
  };
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
    newName: randomName,
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

/** For files: nobody guesses it, and a file system takes it. */
function randomName(): string {
  return randomBytes(16).toString("hex");
}

function mustHave<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new AppError("internal", "the configuration names what it does not have");
}
