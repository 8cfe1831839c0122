/**
 * A real Envoy with the shipped bootstrap, exchanges in this process with marked turns behind them, and one engine that answers as
 * the test says.
 */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, RequestListener, ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { startEnvoy, type Envoy } from "../../demo/stack/envoy.ts";
import { type Bootstrap, fillBootstrap } from "../../envoy/bootstrap.ts";
import { systemClock } from "../../src/clock.ts";
import { Exchange } from "../../src/extproc/exchange.ts";
import { createGrpcTransport } from "../../src/extproc/grpc-transport.ts";
import { GrpcHealth } from "../../src/extproc/health.ts";
import { createHarness, poolOf } from "./exchange-harness.ts";
import { ExchangeCounts } from "./exchange-log.ts";
import { extProcFilterOf, type ExtProcFilter } from "./ext-proc-filter.ts";
import { loopback } from "./grpc-server.ts";
import { MarkedTurns, type MarkedTurnsOptions } from "./marked-turns.ts";

type Http2Listener = Parameters<typeof createHttp2Server>[1];

export interface SeenByEngine {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface TurnStackOptions {
  readonly kv?: MarkedTurnsOptions;
  readonly adapt?: (filter: ExtProcFilter) => void;
  /** What the engine speaks; `http1` unless given. */
  readonly engine?: "http1" | "http2";
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
  const isHttp2 = options.engine === "http2";
  const engine = await startScriptedEngine(isHttp2);
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
  if (isHttp2) speakHttp2(bootstrap);
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

/** To the engines. */
function speakHttp2({ static_resources: { clusters } }: Bootstrap): void {
  const name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  const protocol = { explicit_http_config: { http2_protocol_options: {} } };
  const options = { [name]: { "@type": `type.googleapis.com/${name}`, ...protocol } };
  const cluster = clusters.find(({ name: each }) => each === "default");
  Object.assign(cluster ?? {}, { typed_extension_protocol_options: options });
}

async function startScriptedEngine(isHttp2: boolean) {
  const seen: SeenByEngine[] = [];
  let how = (response: ServerResponse): void => {
    response.setHeader("content-type", "application/json").end("{}");
  };
  const serve: RequestListener = (request, response) => {
    const { url: path = "", headers } = request;
    const handle = async () => {
      seen.push({ path, headers, body: await buffer(request) });
      how(response);
    };
    handle().catch(() => response.destroy());
  };
  // The answers of both have the methods that tests use.
  const server = isHttp2
    ? createHttp2Server(serve as unknown as Http2Listener)
    : createServer(serve);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => void sockets.add(socket));
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
      for (const socket of sockets) socket.destroy();
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
