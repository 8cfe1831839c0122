/** The KV half: catalog, locations, turns, keeper and the KV API. */
import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Metrics } from "./admin/metrics.ts";
import { KvMetrics } from "./admin/kv-metrics.ts";
import { openKvApi } from "./api/server.ts";
import type { Closers } from "./closers.ts";
import { systemClock, systemRandom, systemWallClock } from "./clock.ts";
import { openKvStore } from "./compose-kv-store.ts";
import { createReading } from "./compose-replicas.ts";
import { openUpkeep } from "./compose-upkeep.ts";
import { createPredictions, openEngines, openTokenizers, openTurnPath } from "./compose-turns.ts";
import { openSlots } from "./compose-slots.ts";
import { openReadahead } from "./compose-readahead.ts";
import type { Config } from "./config/config.ts";
import {
  configuredProfiles,
  fileNamesOf,
  type KvConfig,
  modelProfiles,
  quotas,
  readers,
  retentionClasses,
  secretPath,
  tenantTokens,
  turnPolicy,
  verifierLimits,
} from "./config/kv-config.ts";
import { createDigests } from "./digests.ts";
import type { ProcessSigns } from "./endpoints/pools.ts";
import { AppError } from "./errors.ts";
import { openTlsFiles } from "./extproc/tls.ts";
import { timedChanges } from "./kv/catalog/timed-changes.ts";
import { NamespaceKeys } from "./kv/chain/namespace-keys.ts";
import type { CopyChoice } from "./kv/copies.ts";
import type { Location } from "./kv/location.ts";
import { layoutsByGeometry } from "./kv/model/layouts.ts";
import type { Pressure } from "./kv/space.ts";
import type { PoolSnapshot } from "./affinity/pool-snapshot.ts";
import type { Segment } from "./kv/records.ts";
import { EngineNames } from "./kv/path/engine-names.ts";
import type { TurnPath } from "./kv/path/turn-path.ts";
import type { Tenants } from "./kv/turns/tenants.ts";
import { LastTurns } from "./kv/prediction/last-turns.ts";
import { hurriedIn } from "./kv/turns/hurried.ts";
import { Models } from "./kv/turns/models.ts";
import { Places } from "./kv/turns/places.ts";
import { SessionDesk } from "./kv/turns/session-desk.ts";
import { TurnDesk } from "./kv/turns/turn-desk.ts";
import { olderThan } from "./kv/upkeep/scrubbed-segments.ts";
import { SegmentChecker } from "./kv/verify/segment-checker.ts";
import { TwoPassVerifier } from "./kv/verify/two-pass-verifier.ts";
import { createKvObservers } from "./kv-observers.ts";
import type { Logger } from "./log.ts";
import type { createObservers } from "./observers.ts";
import { orderedName } from "./ordered-name.ts";
import { readOrMakeSecret } from "./secret-file.ts";

export interface KvHalfOptions {
  readonly config: Config;
  readonly kv: KvConfig;
  readonly adminToken: string | null;
  readonly closers: Closers;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly observers: Pick<ReturnType<typeof createObservers>, "tlsReloaded" | "tlsFailed">;
  /** Of the endpoints that this process routes to; undefined: it routes to none. */
  readonly signs: ProcessSigns | undefined;
}

export interface KvHalf {
  /** Of the KV API. */
  readonly address: string;
  /** For exchanges, which end before what is open here is closed. */
  readonly turns: TurnPath;
  /** To be told of every snapshot of a pool: whose engines are watched. */
  published(snapshot: PoolSnapshot): void;
  /** Begins what the closers then wait for: no more requests, and no turn that waits for another. */
  drain(): void;
}

/** Half a kilobyte each. */
const LAST_TURNS_LIMIT = 20_000;

export async function openKv(options: KvHalfOptions): Promise<KvHalf> {
  const { config, kv, closers, log } = options;
  const metrics = new KvMetrics(options.metrics.registry);
  const sessionNamed = sessionNamedLocations(kv);
  const observers = createKvObservers({ log: log.part("kv"), metrics, sessionNamed });
  const digests = createDigests();
  const secret = await readOrMakeSecret(secretPath(kv));
  const store = await openKvStore(kv, { closers, ended: observers.locations });
  const { locations } = store;
  const catalog = timedChanges(store.catalog, { clock: systemClock, ended: observers.changes });
  const verifier = new TwoPassVerifier({
    ...verifierLimits(kv),
    clock: systemClock,
    crc32,
    observer: observers.verifier,
  });
  closers.add(() => verifier.close());
  const checker = new SegmentChecker({ catalog, verifier });
  const reading = createReading(kv, locations);
  const copies: CopyChoice = {
    tierOf: (id) => locations.get(id)?.profile.tier,
    load: (id) => reading.loads.load(id),
  };
  const places = placesOf(kv, locations);
  const parts = { ...store, observers, checker, places, reading, newName, closers };
  const upkeep = openUpkeep(kv, parts);
  const { scrubber, keeper, replicator } = upkeep;
  const keys = new NamespaceKeys(secret, digests);
  const known = {
    catalog,
    models: new Models(modelProfiles(config.pools), digests),
    tenants: tenantsOf(kv, keys),
    keys,
    digests,
    nowMs: systemWallClock,
    scheduler: systemClock,
  };
  const tokenizers = await openTokenizers(config, { closers, observers });
  const names = new EngineNames(randomUUID);
  const engines = openEngines(config, { closers, observers, tokenizers, names });
  const pressed = (pressure: Pressure) => keeper.press(pressure);
  const { readahead, gate, prefetcher } = openReadahead({
    ...upkeep,
    kv,
    known,
    places,
    pressed,
    observer: observers.readahead,
    closers,
  });
  const hurried = hurriedIn(known);
  const read = (segments: readonly Segment[]) => {
    reading.popularity.read(segments);
    observers.read(segments);
  };
  const turns = new TurnDesk({
    ...known,
    hurried,
    places,
    verifier,
    checker,
    copies,
    gate,
    newTurn: newName,
    newName,
    crc32,
    policy: turnPolicy(kv),
    isLost: (engine) => names.isLost(engine),
    read,
    pressed,
    ended: (session) => slots.ended(session),
    observer: observers.turns({
      settled: (segment, outcome) => {
        if (outcome.kind === "durable") replicator?.stored(segment.id);
      },
      stored: (last) =>
        void olderThan(catalog, last).then(
          (ids) => scrubber.scrubSoon(ids),
          (reason: unknown) => observers.scrubber.failed(reason),
        ),
    }),
  });
  closers.add(() => turns.close());
  const sessions = new SessionDesk({ ...known, quotaRefused: observers.quotaRefused });
  const { models } = known;
  const predictions = createPredictions(config.pools);
  const lastTurns = new LastTurns(LAST_TURNS_LIMIT);
  const path = openTurnPath({
    ...options,
    turns,
    sessions,
    models,
    engines,
    prefetcher,
    tokenizers,
    predictions,
    lastTurns,
    observers,
  });
  const slots = await openSlots({
    ...options,
    locations,
    snapshots: {
      ...known,
      hurried,
      places,
      gate,
      newName,
      read,
      pressed,
      stored: (segment) => replicator?.stored(segment),
      minTokens: kv.admission.minTokens,
    },
    turns,
    sessions,
    prefetcher,
    predictions,
    lastTurns,
    observers,
  });

  const api = await openKvApi(
    {
      sessions,
      turns,
      slots,
      prefetcher,
      clock: systemClock,
      catalog,
      location: (id) => locations.get(id),
      predictions,
      lastTurns,
      retention: retentionClasses(kv),
      quotas: quotas(kv),
      reader: readers(kv),
      bytes: {
        catalog,
        checker,
        copies,
        read: (segment, bytes) => reading.popularity.readBytes(segment, bytes),
        reader: readers(kv),
        location: (id) => locations.get(id),
        layout: layoutsByGeometry(configuredProfiles(config.pools), digests),
        digests,
        signingKey: digests.hmacSha256(secret, Buffer.from("signed urls")),
        clock: systemClock,
        nowMs: systemWallClock,
        limits: kv.api,
        publicUrl: kv.api.publicUrl,
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
      answered: observers.requests,
      drainMs: config.shutdown.drainMs,
      scheduler: systemClock,
    },
  );
  closers.add(() => api.close());
  metrics.watch(
    observers.gauges({
      ...store,
      verifying: () => verifier.load.verifying,
      engines: () => [...engines.counts(), ...slots.engines()],
      readahead: () => readahead.load,
      slots: () => slots.loads(),
    }),
  );
  const drain = () => {
    turns.drain();
    api.close().catch(() => {}); // the closers are told the same
  };
  return {
    address: api.address,
    turns: { pool: (name) => path.pool(name) ?? slots.pool(name) },
    published: (snapshot) => {
      engines.published(snapshot);
      slots.published(snapshot);
    },
    drain,
  };
}

function tenantsOf(kv: KvConfig, keys: NamespaceKeys): Tenants {
  const known = quotas(kv);
  const reader = readers(kv);
  return {
    tenant: (name) => {
      const quota = known.quota(name);
      const { trusts } = reader(name);
      return quota === undefined ? undefined : { key: keys.tenant(name), quota, trusts };
    },
  };
}

function sessionNamedLocations({ locations }: KvConfig): ReadonlySet<string> {
  const named = locations.filter((config) => fileNamesOf(config) === "session");
  return new Set(named.map(({ id }) => id));
}

function placesOf({ locations }: KvConfig, opened: ReadonlyMap<string, Location>): Places {
  return new Places({
    places: locations.map((config) => ({
      location: mustHave(opened.get(config.id)),
      fileNames: fileNamesOf(config),
      headroomBytes: config.headroomBytes,
      labels: config.labels,
      engines: config.engines,
    })),
    tiers: ["memory", "disk", "remote"],
    random: systemRandom,
    newName,
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

/** For turns and files. */
function newName(): string {
  return orderedName(systemWallClock());
}

function mustHave<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new AppError("internal", "the configuration names what it does not have");
}
