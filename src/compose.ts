/**
 * Builds the program from its configuration: the only file that constructs and wires parts. Parts are closed in the reverse of the
 * order in which they were built; a part that fails to open closes those before it.
 */
import { v4 as uuid } from "uuid";
import { openAdmin } from "./admin/server.ts";
import { Metrics } from "./admin/metrics.ts";
import { readToken } from "./admin/token.ts";
import type { Readiness } from "./admin/ports.ts";
import { rebuildRing } from "./affinity/ring-build.ts";
import { createRingRouter, createStickyRouter } from "./affinity/router.ts";
import { MemoryBindings } from "./bindings/memory.ts";
import { openSweeper } from "./bindings/sweeper.ts";
import { systemClock, systemRandom } from "./clock.ts";
import type { Config } from "./config/config.ts";
import { openConfigReload } from "./config/reload.ts";
import { EdsFile, edsPath } from "./endpoints/eds-file.ts";
import { FileDiscovery } from "./endpoints/discovery/file-discovery.ts";
import { StaticDiscovery } from "./endpoints/discovery/static-discovery.ts";
import { formatAddress } from "./endpoints/endpoint.ts";
import { ActiveChecks } from "./endpoints/health/active-checks.ts";
import { createHttpProbe } from "./endpoints/health/http-probe.ts";
import { Pools } from "./endpoints/pools.ts";
import { AppError } from "./errors.ts";
import { BodyBudget } from "./extproc/body-budget.ts";
import { Exchange } from "./extproc/exchange.ts";
import type { ExchangePorts } from "./extproc/exchange-ports.ts";
import { createGrpcTransport } from "./extproc/grpc-transport.ts";
import { GrpcHealth } from "./extproc/health.ts";
import { RequestReader } from "./extproc/request-reader.ts";
import { responseAttributes, responseHeaders } from "./extproc/served.ts";
import { openTlsFiles } from "./extproc/tls.ts";
import type { ListenAddress } from "./extproc/transport.ts";
import { createHash64 } from "./hash.ts";
import { createLogger } from "./log.ts";
import { createObservers } from "./observers.ts";
import { packageVersion } from "./version.ts";

export interface App {
  readonly addresses: { readonly extproc: readonly string[]; readonly admin: string };
  /** Reads the configuration and the endpoints files again; what cannot be used leaves everything as it was. Never rejects. */
  reload(): Promise<void>;
  /** Drains: not ready any more, open exchanges finish within `shutdown.drainMs`, everything closes. Idempotent. */
  close(): Promise<void>;
}

/**
 * Envoy takes a new member from its EDS file within 300 ms (seen on 1.36.4 and 1.40.0); a session placed there earlier would
 * silently be served elsewhere.
 */
const ENVOY_JOIN_DELAY_MS = 1_000;

type Close = () => unknown;

export async function compose(
  config: Config,
  { configPath }: { readonly configPath: string },
): Promise<App> {
  const closers: Close[] = [];
  /** Every part is closed, also behind one that fails to; the first failure is then thrown. */
  const closeAll = async () => {
    const failures: unknown[] = [];
    for (const close of closers.splice(0).toReversed()) {
      try {
        await close();
      } catch (reason) {
        failures.push(reason);
      }
    }
    if (failures.length > 0) throw AppError.from(failures[0]);
  };
  try {
    return await build(config, { configPath, closers, closeAll });
  } catch (reason) {
    await closeAll();
    throw reason;
  }
}

interface Building {
  readonly configPath: string;
  readonly closers: Close[];
  readonly closeAll: () => Promise<void>;
}

async function build(config: Config, { configPath, closers, closeAll }: Building): Promise<App> {
  const clock = systemClock;
  const log = createLogger(config.log);
  const metrics = new Metrics({
    version: packageVersion(),
    pools: config.pools.map(({ name }) => name),
    bufferedBytesLimit: config.extproc.bufferedBytesLimit,
  });
  const observers = createObservers({ log, metrics, pool: (name) => pools.get(name) });

  const { affinity } = config;
  const bindings = new MemoryBindings({ ...affinity, clock, observer: observers.bindings });
  const sweeper = openSweeper({
    store: bindings,
    scheduler: clock,
    intervalMs: affinity.sweepIntervalMs,
    limit: affinity.sweepLimit,
  });
  closers.push(() => sweeper.close());
  const router =
    affinity.mode === "ring"
      ? createRingRouter(affinity)
      : createStickyRouter({ ...affinity, store: bindings, observer: observers.router });

  const { edsFile } = config.envoy;
  const edsFiles = new Map(
    (edsFile === null ? [] : config.pools).map(({ name }) => {
      const path = edsPath(edsFile ?? "", name);
      return [name, new EdsFile({ path, scheduler: clock, observer: observers.eds })] as const;
    }),
  );
  closers.push(() => Promise.all([...edsFiles.values()].map((file) => file.close())));

  const hash = await createHash64();
  const checks = new ActiveChecks({
    ...config.health,
    probe: createHttpProbe(config.health.path),
    clock,
    random: systemRandom,
  });
  closers.push(() => checks.close());
  const pools = new Pools(config.pools, {
    clock,
    buildRing: (previous, members) =>
      rebuildRing(previous, members, { slots: affinity.ringSlots, hash }),
    checks: config.health.enabled ? checks : undefined,
    thresholds: config.health,
    drainDeadlineMs: affinity.drainDeadlineMs,
    joinDelayMs: edsFile === null ? 0 : ENVOY_JOIN_DELAY_MS,
    observer: observers.pools((snapshot) => edsFiles.get(snapshot.name)?.publish(snapshot)),
  });
  closers.push(() => pools.close());

  const budget = new BodyBudget(config.extproc.bufferedBytesLimit);
  metrics.watch({
    pools: () => pools.all(),
    sessions: (pool) => bindings.load(pool).total(),
    bufferedBytes: () => budget.heldBytes,
  });

  const discoveries = new Map(
    config.pools.map(({ name, source }) => [
      name,
      source.kind === "static"
        ? new StaticDiscovery(source.endpoints)
        : new FileDiscovery({
            path: source.path,
            scheduler: clock,
            rejected: observers.endpointsRejected,
          }),
    ]),
  );
  for (const [name, discovery] of discoveries) {
    closers.push(() => discovery.close());
    await discovery.start((endpoints) => {
      pools.setMembers(name, endpoints);
      if (discovery instanceof FileDiscovery) observers.endpointsAccepted();
    });
  }
  const reload = await openConfigReload({
    configPath,
    config,
    discoveries,
    scheduler: clock,
    observer: observers.reload,
  });
  closers.push(() => reload.close());

  const health = new GrpcHealth();
  const readiness = { isStarted: false, isDraining: false };
  const readinessNow = (): Readiness => {
    const reasons = [
      ...(readiness.isDraining ? ["draining"] : []),
      ...(readiness.isStarted ? [] : ["endpoints are not checked yet"]),
    ];
    return { isReady: reasons.length === 0, reasons };
  };
  const admin = await openAdmin(
    {
      clock,
      pools,
      sessions: router,
      readiness: readinessNow,
      load: (pool) => bindings.load(pool),
      stateCause: observers.stateCause,
      metrics: () => metrics.page(),
    },
    {
      ...config.admin,
      token: config.admin.tokenFile === null ? null : await readToken(config.admin.tokenFile),
      log: log.part("admin"),
    },
  );
  closers.push(() => admin.close());

  const { tls: tlsPaths } = config.extproc;
  const tls =
    tlsPaths === null
      ? undefined
      : await openTlsFiles(
          { ...tlsPaths, clientCaFile: tlsPaths.clientCaFile ?? undefined },
          { scheduler: clock, onError: observers.tlsFailed },
        );
  if (tls !== undefined) {
    tls.subscribe(observers.tlsReloaded);
    closers.push(() => tls.close());
  }

  const ports = exchangePorts(config, { pools, router, budget, observers });
  const transport = createGrpcTransport({
    openExchange: (sink) => new Exchange(ports, sink),
    observer: observers.streams,
    health,
    scheduler: clock,
    tls,
  });
  closers.push(() => transport.close(config.shutdown.drainMs));
  const listening: ListenAddress[] = [];
  for (const address of config.extproc.listen) listening.push(await transport.listen(address));
  const addresses = { extproc: listening.map(formatListening), admin: admin.address };
  log.info("listening", addresses);

  void pools
    .ready()
    .then(() => Promise.all([...edsFiles.values()].map((file) => file.idle())))
    .then(() => {
      readiness.isStarted = true;
      if (readiness.isDraining) return;
      health.setReady(true);
      log.info("ready");
    });

  let closing: Promise<void> | undefined;
  return {
    addresses,
    reload: () => reload.now(),
    close: () => {
      closing ??= (async () => {
        readiness.isDraining = true;
        health.setReady(false);
        log.info("draining", { drainMs: config.shutdown.drainMs });
        await closeAll();
        log.info("closed");
      })();
      return closing;
    },
  };
}

function exchangePorts(
  config: Config,
  parts: {
    readonly pools: Pools;
    readonly router: ExchangePorts["router"];
    readonly budget: BodyBudget;
    readonly observers: ReturnType<typeof createObservers>;
  },
): ExchangePorts {
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

function formatListening(address: ListenAddress): string {
  return address.kind === "unix"
    ? `unix:${address.path}`
    : formatAddress(address.host, address.port);
}
