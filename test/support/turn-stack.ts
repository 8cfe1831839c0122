/**
 * A real Envoy with the shipped bootstrap, exchanges in this process with marked turns behind them, and one engine that answers as
 * the test says.
 */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { startEnvoy, type Envoy } from "../../demo/stack/envoy.ts";
import { fillBootstrap } from "../../envoy/bootstrap.ts";
import { systemClock } from "../../src/clock.ts";
import { Exchange } from "../../src/extproc/exchange.ts";
import { createGrpcTransport } from "../../src/extproc/grpc-transport.ts";
import { GrpcHealth } from "../../src/extproc/health.ts";
import { createHarness, poolOf } from "./exchange-harness.ts";
import { ExchangeCounts } from "./exchange-log.ts";
import { extProcFilterOf, type ExtProcFilter } from "./ext-proc-filter.ts";
import { loopback } from "./grpc-server.ts";
import { MarkedTurns, type MarkedTurnsOptions } from "./marked-turns.ts";

export interface SeenByEngine {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface TurnStackOptions {
  readonly kv?: MarkedTurnsOptions;
  readonly adapt?: (filter: ExtProcFilter) => void;
}

export interface TurnStack {
  readonly url: string;
  readonly envoy: Envoy;
  readonly turns: MarkedTurns;
  /** What exchanges told about themselves. */
  readonly events: readonly string[];
  readonly counts: ExchangeCounts;
  /** Requests that reached the engine, oldest first. */
  readonly seen: readonly SeenByEngine[];
  /** How the engine answers the requests from now on. */
  answer(how: (response: ServerResponse) => void): void;
  close(): Promise<void>;
}

export async function startTurnStack(options: TurnStackOptions = {}): Promise<TurnStack> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-test-"));
  const engine = await startScriptedEngine();
  const edsFile = join(folder, "eds.json");
  await writeFile(edsFile, JSON.stringify(edsOf(engine.port)));
  const turns = new MarkedTurns(options.kv);
  const pools = [poolOf("default", { [`127.0.0.1:${engine.port}`]: "ready" })];
  const { ports, events } = createHarness({ pools, ports: { turns } });
  const counts = new ExchangeCounts();
  const transport = createGrpcTransport({
    openExchange: (sink) => new Exchange(ports, sink),
    observer: counts,
    health: new GrpcHealth(),
    scheduler: systemClock,
  });
  const address = await transport.listen(loopback);
  const extproc = address.kind === "tcp" ? address.port : address.path;
  const places = { listenPort: 0, adminPort: 0, extproc, edsFile };
  const bootstrap = await fillBootstrap("override-host", places);
  options.adapt?.(extProcFilterOf(bootstrap));
  const envoy = await startEnvoy({ bootstrap });
  const close = async () => {
    await envoy.close();
    await transport.close(0);
    engine.close();
    await rm(folder, { recursive: true });
  };
  const { seen, answer } = engine;
  return { url: envoy.url(), envoy, turns, events, counts, seen, answer, close };
}

async function startScriptedEngine() {
  const seen: SeenByEngine[] = [];
  let how = (response: ServerResponse): void => {
    response.setHeader("content-type", "application/json").end("{}");
  };
  const server = createServer((request, response) => {
    const { url: path = "", headers } = request;
    const handle = async () => {
      seen.push({ path, headers, body: await buffer(request) });
      how(response);
    };
    handle().catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    seen,
    port: (server.address() as AddressInfo).port,
    answer: (next: typeof how) => {
      how = next;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function edsOf(port: number): object {
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  const assignment = {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: "default",
    endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
  };
  return { resources: [assignment] };
}
