/** Turns in the request path: where requests that the routing half shows meet what the KV half has of their sessions. */
import { randomBytes } from "node:crypto";
import type { Closers } from "./closers.ts";
import { systemClock, systemRandom } from "./clock.ts";
import type { Config } from "./config/config.ts";
import {
  type KvConfig,
  modelProfiles,
  poolsByModel,
  pricesOf,
  profileOf,
  retentionClasses,
  sessionModel,
  tokenizerFiles,
  type TurnPoolConfig,
  turnPools,
} from "./config/kv-config.ts";
import { AppError } from "./errors.ts";
import { createDialect } from "./kv/dialects/dialects.ts";
import { openHttpConnection } from "./kv/engines/engine-connection.ts";
import { createHttpCloseSession } from "./kv/engines/http-close-session.ts";
import { WatchedEngines } from "./kv/engines/watched-engines.ts";
import type { EngineNames } from "./kv/path/engine-names.ts";
import { PathPool } from "./kv/path/path-pool.ts";
import type { TurnPath } from "./kv/path/turn-path.ts";
import { Reaches } from "./kv/reach.ts";
import type { LastTurns } from "./kv/prediction/last-turns.ts";
import type { PoolPrediction, Predictions } from "./kv/prediction/pool-prediction.ts";
import { Predictor } from "./kv/prediction/predictor.ts";
import { openPromptTokens } from "./kv/tokens/open-prompt-tokens.ts";
import type { PromptTokens } from "./kv/tokens/prompt-tokens.ts";
import { specialProbes } from "./kv/tokens/special-probes.ts";
import { TextPrompts } from "./kv/tokens/text-prompts.ts";
import { tokenizerProbes, type TokenizerProbe } from "./kv/tokens/tokenizer-probes.ts";
import { withoutTokenizer } from "./kv/tokens/without-tokenizer.ts";
import type { Models } from "./kv/turns/models.ts";
import type { Prefetcher } from "./kv/turns/prefetcher.ts";
import type { SessionDesk } from "./kv/turns/session-desk.ts";
import type { TurnDesk } from "./kv/turns/turn-desk.ts";
import type { KvObservers } from "./kv-observers.ts";

export interface TurnPathOptions {
  readonly config: Config;
  readonly kv: KvConfig;
  readonly closers: Closers;
  readonly turns: TurnDesk;
  readonly sessions: SessionDesk;
  readonly models: Models;
  readonly engines: WatchedEngines;
  readonly prefetcher: Prefetcher;
  readonly tokenizers: Tokenizers;
  readonly predictions: Predictions;
  readonly lastTurns: Pick<LastTurns, "set">;
  readonly observers: Pick<KvObservers, "path">;
}

/** By pool. */
export type Tokenizers = ReadonlyMap<string, PoolTokenizer>;

interface PoolTokenizer {
  readonly tokens: PromptTokens;
  readonly probes: readonly TokenizerProbe[];
}

interface Parts {
  readonly closers: Closers;
  readonly observers: KvObservers;
}

/** To be closed after what counts tokens. Throws `config_invalid` for files that cannot be used. */
export async function openTokenizers(config: Config, parts: Parts): Promise<Tokenizers> {
  const opened = new Map<string, PoolTokenizer>();
  for (const pool of turnPools(config.pools))
    opened.set(pool.name, await openTokenizer(pool, parts));
  return opened;
}

async function openTokenizer(
  pool: TurnPoolConfig,
  { closers, observers }: Parts,
): Promise<PoolTokenizer> {
  const files = tokenizerFiles(pool);
  const { specialTokens } = pool.kv;
  if (files === undefined) {
    if (specialTokens.length === 0) return { tokens: withoutTokenizer, probes: [] };
    return { tokens: new TextPrompts(specialTokens), probes: specialProbes(specialTokens) };
  }
  const workerLost = (reason: unknown) => observers.tokenWorkerLost(pool.name, reason);
  const tokens = await openPromptTokens({ files, scheduler: systemClock, workerLost });
  closers.add(() => tokens.close());
  const { takesChats } = createDialect({ name: pool.kv.dialect, exposeKv: false });
  return { tokens, probes: await tokenizerProbes(tokens, { rendersChats: takesChats }) };
}

interface EngineParts extends Parts {
  readonly tokenizers: Tokenizers;
  /** Of their processes. */
  readonly names: EngineNames;
}

/** Knows no engine before it is told of a snapshot. */
export function openEngines(
  config: Config,
  { closers, observers, tokenizers, names }: EngineParts,
): WatchedEngines {
  const engines = new WatchedEngines({
    pools: new Map(turnPools(config.pools).map(({ name, kv }) => [name, kv])),
    probes: new Map(Array.from(tokenizers, ([pool, { probes }]) => [pool, probes])),
    open: openHttpConnection,
    closeSession: createHttpCloseSession(),
    scheduler: systemClock,
    random: systemRandom,
    newInstance: () => names.next(),
    observer: observers.engines,
  });
  closers.add(() => engines.close());
  return engines;
}

export function createPredictions(pools: Config["pools"]): Predictions {
  const poolOf = poolsByModel(pools);
  const byName = new Map<string, PoolPrediction>();
  for (const pool of pools) {
    const { name, kv } = pool;
    if (kv === null) continue;
    // What engines keep to themselves may end at any token.
    const pageSize = profileOf(pool)?.pageSize ?? 1;
    const prices = pricesOf(pool);
    byName.set(name, { pool: name, predictor: new Predictor(), pageSize, prices });
  }
  return {
    ofPool: (name) => byName.get(name),
    ofModel: (model) => byName.get(poolOf(model)?.name ?? ""),
  };
}

/** To be closed when no exchange is left, and before the desk. */
export function openTurnPath(options: TurnPathOptions): TurnPath {
  const pools = new Map<string, PathPool>();
  const reaches = new Reaches(options.kv.locations);
  for (const pool of turnPools(options.config.pools)) {
    pools.set(pool.name, openPool(pool, { ...options, reaches }));
  }
  return { pool: (name) => pools.get(name) };
}

function openPool(
  pool: TurnPoolConfig,
  options: TurnPathOptions & { readonly reaches: Reaches },
): PathPool {
  const { config, kv, closers, turns, sessions, models, engines, observers } = options;
  const { lastTurns, reaches } = options;
  const predictor = options.predictions.ofPool(pool.name)?.predictor;
  const name = sessionModel(pool, modelProfiles(config.pools));
  const model = models.lookup(name);
  if (model === undefined || predictor === undefined) {
    throw new AppError("internal", `nobody knows the model or the predictor of pool ${pool.name}`);
  }
  const { tokens = withoutTokenizer } = options.tokenizers.get(pool.name) ?? {};
  const { dialect, exposeKv } = pool.kv;
  const path = new PathPool({
    ...pool.kv,
    pool: pool.name,
    model: { name, geometry: (kind) => model.geometry(kind), rules: model.rules },
    dialect: createDialect({ name: dialect, exposeKv }),
    retention: retentionClasses(kv),
    tokens,
    engines,
    reaches,
    turns,
    prefetcher: options.prefetcher,
    sessions,
    predictor,
    observer: {
      ...observers.path,
      measured: (turn) => {
        lastTurns.set(turn.session, turn);
        observers.path.measured(turn);
      },
    },
    clock: systemClock,
    newEngineSession: () => `moorline-${randomBytes(16).toString("base64url")}`,
  });
  closers.add(() => path.close());
  return path;
}
