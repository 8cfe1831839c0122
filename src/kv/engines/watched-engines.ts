/** The engines of all pools whose turns are read, each watched for as long as it is a member of its pool. */
import type { PoolSnapshot } from "../../affinity/pool-snapshot.ts";
import type { Random, Scheduler } from "../../clock.ts";
import type { Endpoint, EndpointId } from "../../endpoints/endpoint.ts";
import type { DialectName } from "../dialects/dialect.ts";
import type { ModelProfile } from "../model/profile.ts";
import type { EngineDirectory, EngineState } from "../path/engine-directory.ts";
import type { EngineInstance } from "../records.ts";
import type { TokenizerProbe } from "../tokens/tokenizer-probes.ts";
import type { OpenConnection } from "./engine-connection.ts";
import type { EngineObserver, EngineStateName } from "./engine-observer.ts";
import { weightDifferences } from "./engine-profile.ts";
import { EngineWatch } from "./engine-watch.ts";
import { ASK_INTERVAL_MS } from "./process-watch.ts";
import { SessionCloser, type CloseSession } from "./session-closer.ts";
import { UNKNOWN } from "./standing.ts";

/** What its engines must be. */
export interface WatchedPool {
  readonly profile: ModelProfile;
  readonly dialect: DialectName;
}

export interface WatchedEnginesOptions {
  /** By name; other pools are not watched. */
  readonly pools: ReadonlyMap<string, WatchedPool>;
  /** By pool, as `EngineWatchOptions`. */
  readonly probes: ReadonlyMap<string, readonly TokenizerProbe[]>;
  readonly open: OpenConnection;
  readonly closeSession: CloseSession;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Never the same twice, in no process. */
  readonly newInstance: () => EngineInstance;
  readonly observer: EngineObserver;
}

/** One socket and one timer for each engine, and one more of each while it is told of ended sessions. */
export class WatchedEngines implements EngineDirectory {
  readonly #options: WatchedEnginesOptions;
  readonly #closer: SessionCloser;
  readonly #pools: ReadonlyMap<string, Map<EndpointId, EngineWatch>>;
  #isClosed = false;

  constructor(options: WatchedEnginesOptions) {
    this.#options = options;
    this.#closer = new SessionCloser(options);
    this.#pools = new Map([...options.pools.keys()].map((pool) => [pool, new Map()]));
  }

  /** The newest snapshot of a pool: whom to watch. Cheap where that has not changed. */
  published({ name, endpoints }: Pick<PoolSnapshot, "name" | "endpoints">): void {
    const pool = this.#options.pools.get(name);
    const watches = this.#pools.get(name);
    if (pool === undefined || watches === undefined || this.#isClosed) return;
    const gone = new Set(watches.keys());
    for (const endpoint of endpoints) {
      gone.delete(endpoint.id);
      const watch = watches.get(endpoint.id);
      if (watch !== undefined && isAt(watch, endpoint)) continue;
      watch?.close();
      // So that not all of them are asked in the same instant, and a few are at once.
      const spreadMs = Math.min(ASK_INTERVAL_MS, endpoints.length);
      watches.set(endpoint.id, this.#watch(name, endpoint, { ...pool, spreadMs }));
    }
    for (const id of gone) {
      watches.get(id)?.close();
      watches.delete(id);
    }
  }

  engine(pool: string, endpoint: Endpoint): EngineState {
    return this.#lookup(pool, endpoint)?.state ?? UNKNOWN;
  }

  miscounted(pool: string, endpoint: Endpoint): void {
    this.#lookup(pool, endpoint)?.miscounted();
  }

  encoded(pool: string, endpoint: Endpoint): void {
    this.#lookup(pool, endpoint)?.encoded();
  }

  confirmsWeights(pool: string, endpoint: Endpoint, weightVersion: unknown): boolean {
    const profile = this.#options.pools.get(pool)?.profile;
    const [difference] = profile === undefined ? [] : weightDifferences(weightVersion, profile);
    if (difference === undefined) return true;
    this.#lookup(pool, endpoint)?.hasOtherWeights(`${difference}, in an answer`);
    return false;
  }

  closeSession(endpoint: Endpoint, engineSession: string): void {
    this.#closer.closeSession(endpoint, engineSession);
  }

  /** How many engines of each pool are in which state; every state of every pool is there. */
  *counts(): Generator<readonly [count: number, pool: string, state: EngineStateName]> {
    for (const [pool, watches] of this.#pools) {
      const counts = { ...NONE };
      for (const { state } of watches.values()) counts[nameOf(state)]++;
      for (const [state, count] of Object.entries(counts)) {
        yield [count, pool, state as EngineStateName];
      }
    }
  }

  /** Every engine is unknown from now on. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const watches of this.#pools.values()) {
      for (const watch of watches.values()) watch.close();
      watches.clear();
    }
    await this.#closer.close();
  }

  #watch(
    pool: string,
    { host, port, address }: Endpoint,
    { profile, dialect, spreadMs }: WatchedPool & { readonly spreadMs: number },
  ): EngineWatch {
    const { observer, random, probes } = this.#options;
    return new EngineWatch({
      ...this.#options,
      probes: probes.get(pool) ?? [],
      target: { host, port },
      profile,
      dialect,
      startDelayMs: spreadMs * random(),
      events: {
        stateChanged: (from, to, why) =>
          observer.stateChanged({ pool, address, from: nameOf(from), to: nameOf(to), why }),
        unanswered: (why) => observer.unanswered({ pool, address, why }),
        tested: (end) => observer.tokenizerTested({ pool, address, ...end }),
      },
    });
  }

  #lookup(pool: string, endpoint: Endpoint): EngineWatch | undefined {
    const watch = this.#pools.get(pool)?.get(endpoint.id);
    return watch !== undefined && isAt(watch, endpoint) ? watch : undefined;
  }
}

const NONE: Readonly<Record<EngineStateName, number>> = {
  ready: 0,
  engine_unknown: 0,
  engine_mismatch: 0,
  engine_misplaces: 0,
  tokenizer_mismatch: 0,
  engine_miscounted: 0,
  engine_encodes: 0,
};

/** An endpoint that moved keeps its id; what was known of the engine was of another one. */
function isAt({ target }: EngineWatch, { host, port }: Endpoint): boolean {
  return target.host === host && target.port === port;
}

function nameOf(state: EngineState): EngineStateName {
  return state.kind === "ready" ? "ready" : state.reason;
}
