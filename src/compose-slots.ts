/** Pools whose servers keep KV in slots: their servers, who sits where, and what is stored of them. */
import { randomUUID } from "node:crypto";
import type { PoolSnapshot } from "./affinity/pool-snapshot.ts";
import type { Closers } from "./closers.ts";
import { systemClock, systemRandom } from "./clock.ts";
import type { Config } from "./config/config.ts";
import {
  retentionClasses,
  type KvConfig,
  poolsByModel,
  slotPools,
  type SlotPoolConfig,
  slotSessionModel,
} from "./config/kv-config.ts";
import type { ProcessSigns } from "./endpoints/pools.ts";
import { AppError } from "./errors.ts";
import { createDialect } from "./kv/dialects/dialects.ts";
import { openHttpConnection } from "./kv/engines/engine-connection.ts";
import type { Location } from "./kv/location.ts";
import type { KvPool } from "./kv/path/turn-path.ts";
import type { LastTurns } from "./kv/prediction/last-turns.ts";
import type { Predictions } from "./kv/prediction/pool-prediction.ts";
import { ModelFiles } from "./kv/slots/model-files.ts";
import { hashInThread } from "./kv/slots/model-hash.ts";
import { SlotDesk } from "./kv/slots/slot-desk.ts";
import { SlotDesks } from "./kv/slots/slot-desks.ts";
import type { SlotPoolFacts } from "./kv/slots/slot-server-watch.ts";
import { SlotOnlooker } from "./kv/slots/slot-onlooker.ts";
import { SlotPool } from "./kv/slots/slot-pool.ts";
import { WatchedSlotServers } from "./kv/slots/watched-slot-servers.ts";
import { toSnapshotPrompt } from "./kv/snapshots/snapshot-prompt.ts";
import { StoredSnapshots, type StoredSnapshotsOptions } from "./kv/snapshots/stored-snapshots.ts";
import type { SessionKey } from "./kv/records.ts";
import type { Prefetcher } from "./kv/turns/prefetcher.ts";
import type { SessionDesk } from "./kv/turns/session-desk.ts";
import type { TurnDesk } from "./kv/turns/turn-desk.ts";
import { TokenGuess } from "./kv/tokens/token-guess.ts";
import type { KvObservers } from "./kv-observers.ts";
import { readTokenFile } from "./token-file.ts";

export interface SlotsOptions {
  readonly config: Config;
  readonly kv: KvConfig;
  readonly closers: Closers;
  readonly locations: ReadonlyMap<string, Location>;
  readonly snapshots: StoredSnapshotsOptions;
  readonly turns: Pick<TurnDesk, "end">;
  readonly sessions: SessionDesk;
  readonly prefetcher: Prefetcher;
  readonly predictions: Predictions;
  readonly lastTurns: Pick<LastTurns, "set">;
  readonly observers: Pick<KvObservers, "path" | "slots" | "slotServers">;
  readonly signs: ProcessSigns | undefined;
}

export interface Slots {
  /** Undefined: the pool's servers keep none. */
  pool(name: string): KvPool | undefined;
  /** The newest snapshot of a pool. */
  published(snapshot: PoolSnapshot): void;
  /** A session is over. */
  ended(session: SessionKey): void;
  /** As `WatchedSlotServers.counts`. */
  engines(): ReturnType<WatchedSlotServers["counts"]>;
  /** Undefined: the servers of the model keep none. */
  ofModel(model: string): SlotOnlooker | undefined;
  /** By pool. */
  loads(): ReadonlyMap<string, SlotDesks["load"]>;
}

/** Of what shutting down may take: servers that are being stopped too answer soon or never. */
const SAVING_SHARE = 0.5;

/** To be closed when no exchange is left, and before the catalog. */
export async function openSlots(options: SlotsOptions): Promise<Slots> {
  const { config, closers, locations, snapshots: parts, observers } = options;
  const facts = new Map<string, SlotPoolFacts>();
  for (const pool of slotPools(config.pools)) facts.set(pool.name, await factsOf(pool));
  const models = new ModelFiles(hashInThread);
  const snapshots = new StoredSnapshots(parts);
  const desks = new Map<string, SlotDesks>();
  const savingMs = config.shutdown.drainMs * SAVING_SHARE;
  const servers = new WatchedSlotServers({
    pools: facts,
    models,
    stagings: new Map(
      [...locations].flatMap(([id, { staging }]) => (staging === undefined ? [] : [[id, staging]])),
    ),
    newStagedName: () => snapshots.newStagedName(),
    digests: parts.digests,
    open: openHttpConnection,
    scheduler: systemClock,
    random: systemRandom,
    newInstance: randomUUID,
    gone: (pool, { endpoint, server }) => {
      void desks.get(pool)?.leave(server, 0);
      options.signs?.processEnded(pool, endpoint);
    },
    leaving: async (pool, server) => desks.get(pool)?.leave(server, savingMs),
    observer: observers.slotServers,
  });
  closers.add(() => snapshots.close());
  // At once: what is found out of a server may wait for its model's file to be read, which takes minutes.
  closers.add(() => Promise.all([servers.close(), models.close()]));
  closers.add(() => Promise.all([...desks.values()].map((each) => each.close(savingMs))));
  const pools = new Map<string, SlotPool>();
  const onlookers = new Map<string, SlotOnlooker>();
  const poolOf = poolsByModel(config.pools);
  for (const pool of slotPools(config.pools)) {
    const poolDesks = openDesks(pool, snapshots, options);
    const guess = new TokenGuess();
    const parts = { ...options, stored: snapshots, servers, desks: poolDesks, guess };
    desks.set(pool.name, poolDesks);
    pools.set(pool.name, openPool(pool, parts));
    const seen = {
      pool: pool.name,
      servers,
      desks: poolDesks,
      guess,
      snapshots,
      clock: systemClock,
    };
    onlookers.set(pool.name, new SlotOnlooker({ ...seen, promptOf: toSnapshotPrompt }));
  }
  return {
    pool: (name) => pools.get(name),
    published: (snapshot) => servers.published(snapshot),
    ended: (session) => {
      for (const each of desks.values()) each.end(session);
    },
    engines: () => servers.counts(),
    ofModel: (model) => onlookers.get(poolOf(model)?.name ?? ""),
    loads: () => new Map(Array.from(desks, ([name, { load }]) => [name, load])),
  };
}

function openDesks(
  { name, kv }: SlotPoolConfig,
  snapshots: StoredSnapshots,
  { observers }: SlotsOptions,
): SlotDesks {
  const observer = observers.slots(name);
  const desks = new SlotDesks({
    open: (server) =>
      new SlotDesk({ server, snapshots, policy: kv.slots, clock: systemClock, observer }),
    failed: (reason) => observer.failed("save", AppError.from(reason)),
  });
  return desks;
}

interface PoolParts extends SlotsOptions {
  readonly stored: StoredSnapshots;
  readonly servers: WatchedSlotServers;
  readonly desks: SlotDesks;
  readonly guess: TokenGuess;
}

function openPool(pool: SlotPoolConfig, options: PoolParts): SlotPool {
  const { config, kv, closers, turns, stored, observers, lastTurns } = options;
  const predictor = options.predictions.ofPool(pool.name)?.predictor;
  if (predictor === undefined) {
    throw new AppError("internal", `there are no predictions of pool ${pool.name}`);
  }
  const slotPool = new SlotPool({
    ...options,
    ...pool.kv,
    pool: pool.name,
    model: { name: slotSessionModel(pool) },
    dialect: createDialect({
      name: pool.kv.dialect,
      exposeKv: true,
      isShared: config.session.tenantHeader !== null,
    }),
    retention: retentionClasses(kv),
    promptOf: toSnapshotPrompt,
    predictor,
    used: async (session: SessionKey) => {
      await stored.use(session);
    },
    end: async (session: SessionKey) => {
      await turns.end(session);
    },
    observer: {
      ...observers.path,
      measured: (turn) => {
        lastTurns.set(turn.session, turn);
        observers.path.measured(turn);
      },
    },
    clock: systemClock,
  });
  closers.add(() => slotPool.close());
  return slotPool;
}

async function factsOf({ name, kv: { slots } }: SlotPoolConfig): Promise<SlotPoolFacts> {
  const { apiKeyFile: path, modelId, cacheTypeK, cacheTypeV, perServer, contextTokens } = slots;
  const key = `kv.slots.apiKeyFile of pool ${name}`;
  const apiKey = path === null ? undefined : await readTokenFile({ key, path, min: 1 });
  const expected = { slots: perServer ?? undefined, contextTokens: contextTokens ?? undefined };
  return { expected, modelId: modelId ?? undefined, apiKey, cacheTypeK, cacheTypeV };
}
