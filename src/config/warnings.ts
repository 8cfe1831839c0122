import { formatListenAddress } from "../listen-address.ts";
import type { Config } from "./config.ts";
import { isLoopback } from "./rules.ts";

/** What works and is likely a mistake; one line each. */
export function configWarnings(config: Config): readonly string[] {
  return [...extprocWarnings(config), ...kvWarnings(config)];
}

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
