/**
 * What the parts tell about themselves, as metrics and log lines: one observer for each part, in the terms of its own interface.
 */
import type { Metrics, MoveCause } from "./admin/metrics.ts";
import type { Binding } from "./affinity/binding-store.ts";
import type { PoolSnapshot } from "./affinity/pool-snapshot.ts";
import type { RouterObserver } from "./affinity/router.ts";
import type { BindingsObserver } from "./bindings/memory.ts";
import type { ReloadObserver } from "./config/reload.ts";
import type { EdsFileObserver } from "./endpoints/eds-file.ts";
import type { EndpointId } from "./endpoints/endpoint.ts";
import type { PoolObserver, StateCause } from "./endpoints/pool-observer.ts";
import type { AppError } from "./errors.ts";
import type { Decided, ExchangeObserver } from "./extproc/exchange-ports.ts";
import type { StreamObserver } from "./extproc/grpc-stream.ts";
import type { Logger } from "./log.ts";

export interface ObserversOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly pool: (name: string) => PoolSnapshot | undefined;
}

export function createObservers({ log, metrics, pool }: ObserversOptions) {
  const stateCauses = new Map<string, StateCause>();

  const streams: StreamObserver = {
    opened: () => metrics.exchangeOpened(),
    closed: () => metrics.exchangeClosed(),
    refused: () => metrics.refused("exchange_limit"),
    failed: (error) => exchangeFailed(error),
  };
  const exchangeFailed = (error: AppError) => {
    metrics.exchangeFailed();
    log.error("exchange failed", { code: error.code, error });
  };

  return {
    streams,
    exchange: createExchangeObserver({ log, metrics, exchangeFailed }),
    keySkipped: (source: string) => metrics.sessionKeySkipped(source),

    router: {
      storeFailed: (call, error) => {
        metrics.storeFailed();
        log.warn("binding store failed; decided without it", { call, error });
      },
      contended: () => metrics.storeFailed(),
    } satisfies RouterObserver,

    bindings: {
      evicted: (cause) => metrics.evicted(cause),
      moved: (from) => metrics.moved(moveCause(from, pool(from.pool))),
    } satisfies BindingsObserver,

    pools: (published: (snapshot: PoolSnapshot) => void): PoolObserver => ({
      published,
      stateChanged: ({ pool: name, endpoint, from, to, cause }) => {
        const key = `${name}\0${endpoint.id}`;
        if (to === "absent") stateCauses.delete(key);
        else stateCauses.set(key, cause);
        if (to !== "absent") metrics.healthChanged({ pool: name, to, cause });
        log.info("endpoint changed", { pool: name, endpoint: endpoint.id, from, to, cause });
      },
      checksFailed: (name, { id, address }, failure) =>
        log.warn("health checks fail", { pool: name, endpoint: id, address, reason: failure }),
      ringChanged: (name, members) => log.info("ring changed", { pool: name, members }),
      ringFailed: (name, error) =>
        log.error("ring failed; the former one stays", { pool: name, error }),
    }),
    stateCause: (name: string, endpoint: EndpointId) => stateCauses.get(`${name}\0${endpoint}`),

    eds: createEdsObserver({ log, metrics }),

    endpointsAccepted: () => metrics.reloaded("endpoints", "ok"),
    endpointsRejected: (error: AppError) => {
      metrics.reloaded("endpoints", "failed");
      log.error("endpoints file refused; the last good one stays", { error });
    },

    reload: {
      reloaded: (needsRestart) => {
        metrics.reloaded("config", "ok");
        log.info("configuration reloaded");
        if (needsRestart.length > 0)
          log.warn("changed keys need a restart", { keys: needsRestart });
      },
      refused: (error) => {
        metrics.reloaded("config", "failed");
        log.error("configuration refused; the last good one stays", { error });
      },
    } satisfies ReloadObserver,

    tlsReloaded: () => {
      metrics.tlsReloaded("ok");
      log.info("TLS files reloaded");
    },
    tlsFailed: (error: AppError) => {
      metrics.tlsReloaded("failed");
      log.error("TLS files refused; the last good ones stay", { error });
    },
  };
}

function createEdsObserver({
  log,
  metrics,
}: Pick<ObserversOptions, "log" | "metrics">): EdsFileObserver {
  /** Paths whose last write failed: the retries that fail too are counted, not logged. */
  const failing = new Set<string>();
  return {
    written: (path) => {
      metrics.edsWritten("ok");
      if (failing.delete(path)) log.info("EDS file is written again", { path });
      else log.debug("EDS file written", { path });
    },
    failed: (path, error: NodeJS.ErrnoException) => {
      metrics.edsWritten("failed");
      if (failing.has(path)) return;
      failing.add(path);
      const { code, message: reason } = error;
      log.error("EDS file cannot be written; it is tried again", { path, code, reason });
    },
  };
}

function createExchangeObserver({
  log,
  metrics,
  exchangeFailed,
}: Pick<ObserversOptions, "log" | "metrics"> & {
  readonly exchangeFailed: (error: AppError) => void;
}): ExchangeObserver {
  /** Pools that were warned about: a misconfigured Envoy would otherwise write a line per request. */
  const warned = new Set<string>();
  return {
    decided: (decided) => {
      const { request, decision } = decided;
      metrics.decided(decision.kind, request.pool.name);
      metrics.observeDecision(decided.elapsedMs);
      metrics.sessionKey(decided.source);
      if (decided.bodyObstacle !== undefined) metrics.bodyRefused(decided.bodyObstacle);
      if (log.isDebug) logDecision(log, decided);
    },
    refused: (code) => metrics.refused(code),
    servedElsewhere: (name, address) => {
      metrics.servedElsewhere();
      if (warned.has(name)) return;
      warned.add(name);
      const hint = "is every endpoint a member of Envoy's cluster (envoy.edsFile)?";
      log.warn("Envoy served a host that was not its turn", { pool: name, address, hint });
    },
    observed: () => log.debug("observed an exchange in observability mode"),
    failed: exchangeFailed,
  };
}

function logDecision(log: Logger, { request, decision, source, elapsedMs }: Decided): void {
  log.debug("decided", {
    pool: request.pool.name,
    session: log.sessionId(request.sessionId),
    source,
    kind: decision.kind,
    ...(decision.kind === "refused"
      ? { reason: decision.reason }
      : { endpoint: decision.endpoint.id, generation: decision.generation }),
    elapsedMs,
  });
}

/** A binding moves because its endpoint is gone or down; else only because Envoy could not connect to it. */
function moveCause(from: Binding, pool: PoolSnapshot | undefined): MoveCause {
  const endpoint = pool?.byId.get(from.endpoint);
  if (endpoint === undefined) return "endpoint_removed";
  return endpoint.state === "down" ? "endpoint_down" : "connect_failed";
}
