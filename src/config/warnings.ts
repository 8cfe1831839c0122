import { PLANNING_SHARE } from "../kv/path/held-bodies.ts";
import { formatListenAddress } from "../listen-address.ts";
import type { Config, PoolConfig, PoolKvConfig } from "./config.ts";
import { type KnownEndpoints, reachWarnings } from "./reach-warnings.ts";
import { isLoopback } from "./rules.ts";

/** What works and is likely a mistake; one line each. Without `endpoints`, those that the configuration itself has. */
export function configWarnings(
  config: Config,
  endpoints: KnownEndpoints = config.pools.map(endpointsOf),
): readonly string[] {
  return [
    ...extprocWarnings(config),
    ...kvWarnings(config),
    ...turnWarnings(config),
    ...reachWarnings(config, endpoints),
  ];
}

function endpointsOf({ source }: PoolConfig): KnownEndpoints[number] {
  return source.kind === "static" ? source.endpoints : undefined;
}

/** `max_message_timeout` of the bootstraps in envoy/. */
const REFERENCE_HOLD_LIMIT_MS = 30_000;

function extprocWarnings({ extproc }: Config): readonly string[] {
  if ((extproc.tls?.clientCaFile ?? null) !== null) return [];
  return extproc.listen.flatMap((address, index) => {
    if (address.kind === "unix" || isLoopback(address.host)) return [];
    const key = `extproc.listen[${index}] ${formatListenAddress(address)}`;
    return [
      `${key} is no loopback, and anyone who reaches it may connect: it is for Envoy alone, so set extproc.tls.clientCaFile`,
    ];
  });
}

function kvWarnings({ kv, pools }: Config): readonly string[] {
  if (kv === null) {
    return pools.flatMap(({ kv: stored }, index) =>
      stored === null ? [] : [`pools[${index}].kv has no effect, because there is no kv section`],
    );
  }
  if (kv.tls !== null || isLoopback(kv.listen.host)) return [];
  const key = `kv.listen ${formatListenAddress(kv.listen)}`;
  return [`${key} is no loopback, and tokens and bytes go there in plain text: set kv.tls`];
}

function turnWarnings({ kv, pools }: Config): readonly string[] {
  return pools.flatMap(({ kv: turns }, index) => {
    if (kv === null || turns === null || turns.dialect === null) return [];
    const { whenBusy, waitMs } = kv.turns;
    const key = `pools[${index}].kv.holdMs ${turns.holdMs}`;
    return holdWarnings(key, turns, whenBusy === "wait" ? waitMs : 0);
  });
}

function holdWarnings(key: string, { holdMs }: PoolKvConfig, waitMs: number): readonly string[] {
  const longer = `${key} is above ${REFERENCE_HOLD_LIMIT_MS}, the max_message_timeout of the bootstraps in envoy/: where Envoy's is not raised, it answers each turn 504`;
  const planMs = Math.floor(holdMs * PLANNING_SHARE);
  const shorter = `${key} leaves ${planMs} ms to plan in, not more than kv.turns.waitMs ${waitMs}: a turn that waits so long for another of its session goes on without its KV`;
  return [
    ...(holdMs > REFERENCE_HOLD_LIMIT_MS ? [longer] : []),
    ...(planMs <= waitMs ? [shorter] : []),
  ];
}
