import { formatListenAddress } from "../listen-address.ts";
import type { Config } from "./config.ts";
import { isLoopback } from "./rules.ts";

/** What works and is likely a mistake; one line each. */
export function configWarnings({ extproc }: Config): readonly string[] {
  if ((extproc.tls?.clientCaFile ?? null) !== null) return [];
  return extproc.listen.flatMap((address, index) => {
    if (address.kind === "unix" || isLoopback(address.host)) return [];
    const key = `extproc.listen[${index}] ${formatListenAddress(address)}`;
    return [
      `${key} is no loopback, and anyone who reaches it may connect: it is for Envoy alone, so set extproc.tls.clientCaFile`,
    ];
  });
}
