import type { Client } from "@grpc/grpc-js";
import { onTestFinished, vi } from "vitest";
import { createGrpcTransport } from "../../src/extproc/grpc-transport.ts";
import type { GrpcTransportOptions } from "../../src/extproc/grpc-transport.ts";
import { GrpcHealth } from "../../src/extproc/health.ts";
import type { ListenAddress, OpenExchange, Transport } from "../../src/extproc/transport.ts";
import { ExchangeCounts } from "./exchange-log.ts";
import { createClient } from "./ext-proc-client.ts";
import { FakeClock } from "./fake-clock.ts";

export const loopback: ListenAddress = { kind: "tcp", host: "127.0.0.1", port: 0 };

export interface StartedTransport {
  readonly transport: Transport;
  readonly counts: ExchangeCounts;
  readonly health: GrpcHealth;
  /** Moves the grace of `close`. */
  readonly clock: FakeClock;
}

/** A transport that the end of the test closes at once. */
export function createTransport(
  openExchange: OpenExchange,
  options: Partial<GrpcTransportOptions> = {},
): StartedTransport {
  const counts = new ExchangeCounts();
  const clock = new FakeClock();
  const health = new GrpcHealth();
  const transport = createGrpcTransport({
    openExchange,
    observer: counts,
    health,
    scheduler: clock,
    ...options,
  });
  onTestFinished(async () => {
    const closed = transport.close(0);
    await clock.advance(60_000);
    await closed;
  });
  return { transport, counts, health, clock };
}

/** The same, listening on a free loopback port, with a client. */
export async function start(
  openExchange: OpenExchange,
  options: Partial<GrpcTransportOptions> = {},
): Promise<StartedTransport & { readonly address: ListenAddress; readonly client: Client }> {
  const started = createTransport(openExchange, options);
  const address = await started.transport.listen(loopback);
  const client = createClient(address);
  onTestFinished(() => client.close());
  return { ...started, address, client };
}

/** Polls until `assertion` holds: for what a server does after its client has done its part. */
export function eventually(assertion: () => void): Promise<void> {
  return vi.waitFor(assertion, { interval: 2, timeout: 4_000 });
}
