/** The routing half: pools, bindings, and the ext_proc listeners. */
import { v4 as uuid } from "uuid";
import type { RoutingPorts } from "./admin/ports.ts";
import type { GaugeSources } from "./admin/metrics.ts";
import type { PoolSnapshot } from "./affinity/pool-snapshot.ts";
import { rebuildRing } from "./affinity/ring-build.ts";
import { createRingRouter, createStickyRouter } from "./affinity/router.ts";
import { MemoryBindings } from "./bindings/memory.ts";
import { openSweeper } from "./bindings/sweeper.ts";
import type { Closers } from "./closers.ts";
import { systemClock, systemRandom, type Clock, type Scheduler } from "./clock.ts";
import type { Config } from "./config/config.ts";
import { openConfigReload, type ConfigReload } from "./config/reload.ts";
import { EdsFile, edsPath } from "./endpoints/eds-file.ts";
import { FileDiscovery } from "./endpoints/discovery/file-discovery.ts";
import { StaticDiscovery } from "./endpoints/discovery/static-discovery.ts";
import { ActiveChecks } from "./endpoints/health/active-checks.ts";
import { createHttpProbe } from "./endpoints/health/http-probe.ts";
import { Pools, type ProcessSigns } from "./endpoints/pools.ts";
import { BodyBudget } from "./extproc/body-budget.ts";
import { Exchange } from "./extproc/exchange.ts";
import type { ExchangePorts } from "./extproc/exchange-ports.ts";
import { createGrpcTransport } from "./extproc/grpc-transport.ts";
import type { GrpcHealth } from "./extproc/health.ts";
import { RequestReader } from "./extproc/request-reader.ts";
import { responseAttributes, responseHeaders } from "./extproc/served.ts";
import { openTlsFiles } from "./extproc/tls.ts";
import type { OpenExchange } from "./extproc/transport.ts";
import { createHash64 } from "./hash.ts";
import { formatListenAddress, underKey } from "./listen-address.ts";
import type { TurnPath } from "./kv/path/turn-path.ts";
import type { createObservers } from "./observers.ts";
import type { ReadinessGate } from "./readiness.ts";

/**
 * Envoy takes a new member from its EDS file within 300 ms (seen on 1.36.4 and 1.40.0); a session placed there earlier would
 * silently be served elsewhere.
 */
const ENVOY_JOIN_DELAY_MS = 1_000;

export interface RoutingHalfOptions {
  readonly config: Config;
  readonly configPath: string;
  readonly closers: Closers;
  readonly clock: Clock & Scheduler;
  readonly observers: ReturnType<typeof createObservers>;
}

export interface RoutingHalf {
  /** What the admin API shows of it. */
  readonly ports: RoutingPorts;
  readonly gauges: GaugeSources;
  readonly reload: ConfigReload;
  /** For whoever watches the endpoints' processes. */
  readonly signs: ProcessSigns;
  /** Not ready until these are done. */
  waitUntilReady(readiness: ReadinessGate): void;
  /** Told of every pool as it is now, and of each snapshot from then on. */
  watch(published: (snapshot: PoolSnapshot) => void): void;
  /** Opens the ext_proc listeners; answers their addresses. */
  listen(health: GrpcHealth, turns: TurnPath): Promise<readonly string[]>;
}

export async function openRouting(parts: RoutingHalfOptions): Promise<RoutingHalf> {
  const { config, observers } = parts;
  const { bindings, router } = openRouter(parts);
  const watchers: ((snapshot: PoolSnapshot) => void)[] = [];
  const { pools, edsFiles } = await openPools(parts, watchers);
  const reload = await openDiscoveries(parts, pools);
  const budget = new BodyBudget(config.extproc.bufferedBytesLimit);
  const ports = exchangePorts(config, { pools, router, budget, observers });
  return {
    ports: {
      clock: parts.clock,
      pools,
      sessions: router,
      load: (pool) => bindings.load(pool),
      stateCause: observers.stateCause,
    },
    gauges: {
      pools: () => pools.all(),
      sessions: (pool) => bindings.load(pool).total(),
      bufferedBytes: () => budget.heldBytes,
    },
    reload,
    signs: pools,
    waitUntilReady: (readiness) => {
      readiness.waitFor("endpoints are not checked yet", pools.ready());
      for (const [pool, file] of edsFiles) {
        readiness.waitFor(
          `the endpoints of pool ${pool} are not written for Envoy yet`,
          file.written(),
        );
      }
    },
    watch: (published) => {
      watchers.push(published);
      for (const pool of pools.all()) published(pool);
    },
    listen: (health, turns) =>
      listen(parts, { health, openExchange: (sink) => new Exchange({ ...ports, turns }, sink) }),
  };
}

function openRouter({ config: { affinity }, clock, closers, observers }: RoutingHalfOptions) {
  const bindings = new MemoryBindings({ ...affinity, clock, observer: observers.bindings });
  const sweeper = openSweeper({
    store: bindings,
    scheduler: clock,
    intervalMs: affinity.sweepIntervalMs,
    limit: affinity.sweepLimit,
  });
  closers.add(() => sweeper.close());
  const router =
    affinity.mode === "ring"
      ? createRingRouter(affinity)
      : createStickyRouter({ ...affinity, store: bindings, observer: observers.router });
  return { bindings, router };
}

/** The pools, empty as yet, and the files that tell Envoy of their members. */
async function openPools(
  { config, clock, closers, observers }: RoutingHalfOptions,
  watchers: Iterable<(snapshot: PoolSnapshot) => void>,
) {
  const { edsFile } = config.envoy;
  const edsFiles = new Map<string, EdsFile>();
  for (const { name } of edsFile === null ? [] : config.pools) {
    const path = edsPath(edsFile ?? "", name);
    edsFiles.set(name, new EdsFile({ path, scheduler: clock, observer: observers.eds }));
  }
  closers.add(() => Promise.all([...edsFiles.values()].map((file) => file.close())));

  const checks = new ActiveChecks({
    ...config.health,
    probe: createHttpProbe(config.health.path),
    clock,
    random: systemRandom,
  });
  closers.add(() => checks.close());

  const hash = await createHash64();
  const { ringSlots: slots, drainDeadlineMs } = config.affinity;
  const pools = new Pools(config.pools, {
    clock,
    buildRing: (previous, members) => rebuildRing(previous, members, { slots, hash }),
    checks: config.health.enabled ? checks : undefined,
    thresholds: config.health,
    drainDeadlineMs,
    joinDelayMs: edsFile === null ? 0 : ENVOY_JOIN_DELAY_MS,
    observer: observers.pools((snapshot) => {
      edsFiles.get(snapshot.name)?.publish(snapshot);
      for (const published of watchers) published(snapshot);
    }),
  });
  closers.add(() => pools.close());
  return { pools, edsFiles };
}

/** Fills the pools, and keeps them as the configuration and the endpoints files say. */
async function openDiscoveries(observed: RoutingHalfOptions, pools: Pools): Promise<ConfigReload> {
  const { config, configPath, clock, closers, observers } = observed;
  const discoveries = new Map<string, StaticDiscovery | FileDiscovery>();
  for (const { name, source } of config.pools) {
    const isFile = source.kind === "file";
    const discovery = isFile
      ? new FileDiscovery({
          path: source.path,
          scheduler: clock,
          rejected: observers.endpointsRejected,
        })
      : new StaticDiscovery(source.endpoints);
    discoveries.set(name, discovery);
    closers.add(() => discovery.close());
    await discovery.start((endpoints) => {
      pools.setMembers(name, endpoints);
      if (isFile) observers.endpointsAccepted();
    });
  }
  const reload = await openConfigReload({
    configPath,
    config,
    discoveries,
    scheduler: clock,
    observer: observers.reload,
  });
  closers.add(() => reload.close());
  return reload;
}

async function listen(
  { config, clock, closers, observers }: RoutingHalfOptions,
  parts: { readonly health: GrpcHealth; readonly openExchange: OpenExchange },
): Promise<string[]> {
  const { tls: paths, listen: wanted } = config.extproc;
  const tls =
    paths === null
      ? undefined
      : await openTlsFiles(
          { ...paths, clientCaFile: paths.clientCaFile ?? undefined },
          { scheduler: clock, onError: observers.tlsFailed },
        );
  if (tls !== undefined) {
    tls.subscribe(observers.tlsReloaded);
    closers.add(() => tls.close());
  }
  const transport = createGrpcTransport({
    ...parts,
    observer: observers.streams,
    scheduler: clock,
    tls,
  });
  closers.add(() => transport.close(config.shutdown.drainMs));
  const addresses: string[] = [];
  for (const [index, address] of wanted.entries()) {
    const listening = underKey(`extproc.listen[${index}]`, transport.listen(address));
    addresses.push(formatListenAddress(await listening));
  }
  return addresses;
}

function exchangePorts(
  config: Config,
  parts: {
    readonly pools: Pools;
    readonly router: ExchangePorts["router"];
    readonly budget: BodyBudget;
    readonly observers: ReturnType<typeof createObservers>;
  },
): Omit<ExchangePorts, "turns"> {
  const { pools, router, budget, observers } = parts;
  const { bodyLimitBytes, onError } = config.extproc;
  const { header } = config.destination;
  const reader = new RequestReader({
    ...config.session,
    sources: config.session,
    modelHeader: config.model.header,
    needsModel: pools.hasSeveral,
    bodyLimitBytes,
    onSkipped: observers.keySkipped,
  });
  return {
    pools,
    router,
    passive: pools,
    reader,
    budget,
    observer: observers.exchange,
    clock: systemClock,
    mintId: uuid,
    destinationHeader: header,
    sendsFallbacks: config.destination.cluster === "override_host",
    bodyLimitBytes,
    onError,
    wanted: {
      requestHeaders: reader.wantedHeaders,
      responseHeaders,
      attributes: responseAttributes,
      subsetKey: `${header}-subset`,
      servedKey: `${header}-served`,
    },
  };
}
