/**
 * Builds the program from its configuration. This file and those beside it, `compose-*.ts`, are the only ones that construct and
 * wire parts. Parts are closed in the reverse of the order in which they were built; a part that fails to open closes those
 * before it.
 */
import { openAdmin } from "./admin/server.ts";
import { Metrics } from "./admin/metrics.ts";
import { readToken } from "./admin/token.ts";
import { skippableSources } from "./affinity/session-key.ts";
import { Closers } from "./closers.ts";
import { systemClock } from "./clock.ts";
import { openKv } from "./compose-kv.ts";
import { openRouting, type RoutingHalf } from "./compose-routing.ts";
import type { Config } from "./config/config.ts";
import { type ConfigReload, openConfigReload } from "./config/reload.ts";
import { configWarnings } from "./config/warnings.ts";
import { GrpcHealth } from "./extproc/health.ts";
import { noTurns } from "./kv/path/turn-path.ts";
import { createLogger } from "./log.ts";
import { createObservers } from "./observers.ts";
import { ReadinessGate } from "./readiness.ts";
import type { Roles } from "./roles.ts";
import { packageVersion } from "./version.ts";

export interface App {
  readonly addresses: {
    /** Empty where this process has no routing half. */
    readonly extproc: readonly string[];
    readonly admin: string;
    /** Undefined where this process has no KV half. */
    readonly kv: string | undefined;
  };
  /** Reads the configuration and the endpoints files again; what cannot be used leaves everything as it was. Never rejects. */
  reload(): Promise<void>;
  /** Drains: not ready any more, open exchanges finish within `shutdown.drainMs`, everything closes. Idempotent. */
  close(): Promise<void>;
}

export interface ComposeOptions {
  readonly configPath: string;
  /** `kv` only where the configuration has that section. */
  readonly roles: Roles;
}

export async function compose(config: Config, options: ComposeOptions): Promise<App> {
  const closers = new Closers();
  try {
    return await open(config, { ...options, closers });
  } catch (reason) {
    await closers.close();
    throw reason;
  }
}

async function open(
  config: Config,
  { configPath, roles, closers }: ComposeOptions & { readonly closers: Closers },
): Promise<App> {
  const clock = systemClock;
  const log = createLogger(config.log);
  for (const warning of configWarnings(config)) log.warn(warning);
  const metrics = new Metrics({
    version: packageVersion(),
    pools: roles.includes("routing") ? config.pools.map(({ name }) => name) : [],
    skippableSources: skippableSources(config.session),
    bufferedBytesLimit: config.extproc.bufferedBytesLimit,
  });
  const observers = createObservers({
    log,
    metrics,
    pool: (name) => routing?.ports.pools.get(name),
  });
  const adminToken =
    config.admin.tokenFile === null ? null : await readToken(config.admin.tokenFile);

  const routing: RoutingHalf | undefined = roles.includes("routing")
    ? await openRouting({ config, configPath, closers, clock, observers })
    : undefined;
  if (routing !== undefined) metrics.watch(routing.gauges);
  const kv =
    config.kv !== null && roles.includes("kv")
      ? await openKv({
          config,
          kv: config.kv,
          adminToken,
          closers,
          log,
          metrics,
          observers,
          signs: routing?.signs,
        })
      : undefined;
  if (kv !== undefined) routing?.watch((snapshot) => kv.published(snapshot));
  const reload = routing?.reload ?? (await openReload(config, { configPath, closers, observers }));

  const health = new GrpcHealth();
  const readiness = new ReadinessGate((isReady) => {
    health.setReady(isReady);
    if (isReady) log.info("ready");
  });
  const listening = Promise.withResolvers<void>();
  readiness.waitFor("not listening yet", listening.promise);
  routing?.waitUntilReady(readiness);
  const admin = await openAdmin(
    {
      routing: routing?.ports,
      readiness: () => readiness.now(),
      metrics: () => metrics.page(),
    },
    { ...config.admin, token: adminToken, log: log.part("admin") },
  );
  closers.add(() => admin.close());
  const extproc = (await routing?.listen(health, kv?.turns ?? noTurns)) ?? [];
  const addresses = { extproc, admin: admin.address, kv: kv?.address };
  log.info("listening", addresses);
  listening.resolve();

  let closing: Promise<void> | undefined;
  const drain = async () => {
    readiness.drain();
    log.info("draining", { drainMs: config.shutdown.drainMs });
    kv?.drain(); // beside the streams, which the closers drain first
    await closers.close();
    log.info("closed");
  };
  return {
    addresses,
    reload: () => reload.now(),
    close: () => (closing ??= drain()),
  };
}

/** Of a process without endpoints: nothing of a changed file takes effect before a restart, and the log says which keys. */
async function openReload(
  config: Config,
  { configPath, closers, observers }: ReloadOptions,
): Promise<ConfigReload> {
  const reload = await openConfigReload({
    configPath,
    config,
    discoveries: new Map(),
    scheduler: systemClock,
    observer: observers.reload,
  });
  closers.add(() => reload.close());
  return reload;
}

interface ReloadOptions {
  readonly configPath: string;
  readonly closers: Closers;
  readonly observers: Pick<ReturnType<typeof createObservers>, "reload">;
}
