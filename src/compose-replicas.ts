/** How often and where segments are read, and the replicas that are made by it. */
import { systemClock, systemWallClock } from "./clock.ts";
import { type KvConfig, replicaPolicy } from "./config/kv-config.ts";
import type { Location } from "./kv/location.ts";
import { Popularity } from "./kv/popularity/popularity.ts";
import { ReadLoads } from "./kv/popularity/read-loads.ts";
import { ReadRates } from "./kv/popularity/read-rates.ts";
import {
  type ReplicaPolicy,
  Replicator,
  type ReplicatorOptions,
} from "./kv/popularity/replicator.ts";

export interface Reading {
  readonly popularity: Popularity;
  readonly loads: ReadLoads;
  /** Undefined where no replicas are made by it. */
  readonly replicas: { readonly rates: ReadRates; readonly policy: ReplicaPolicy } | undefined;
}

export function createReading(kv: KvConfig, locations: ReadonlyMap<string, Location>): Reading {
  const weight = (id: string): number => locations.get(id)?.profile.weight ?? 1;
  const loads = new ReadLoads({ clock: systemClock, weight });
  const policy = replicaPolicy(kv);
  const { halfLifeMs } = kv.replicas;
  const rates = policy && new ReadRates({ clock: systemClock, halfLifeMs });
  const replicas = policy && rates && { rates, policy };
  return { popularity: new Popularity({ rates, loads }), loads, replicas };
}

type Parts = Omit<ReplicatorOptions, "rates" | "policy" | "loads" | "clock" | "nowMs">;

export function createReplicator(
  { replicas, loads }: Reading,
  parts: Parts,
): Replicator | undefined {
  if (replicas === undefined) return undefined;
  return new Replicator({
    ...parts,
    ...replicas,
    loads,
    clock: systemClock,
    nowMs: systemWallClock,
  });
}
