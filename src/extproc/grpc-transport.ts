/**
 * The Transport on `@grpc/grpc-js`: one server, any number of listeners, each stream answered by an exchange (grpc-stream.ts),
 * with the health service beside it. It is meant for Envoy alone (loopback, a Unix socket, or mTLS): see the reset budget.
 */
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ServiceDefinition, UntypedHandleCall } from "@grpc/grpc-js";
import type { Scheduler } from "../clock.ts";
import { AppError } from "../errors.ts";
import { loadExternalProcessor } from "./external-processor.ts";
import { interceptExchanges } from "./grpc-stream.ts";
import type { StreamObserver } from "./grpc-stream.ts";
import type { GrpcHealth } from "./health.ts";
import { openSocketListener } from "./socket-listener.ts";
import type { SocketListener } from "./socket-listener.ts";
import type { TlsFiles } from "./tls.ts";
import type { ListenAddress, OpenExchange, Transport } from "./transport.ts";

/** Envoy's buffer limit is 32 MiB in our bootstraps: a body that fills it still arrives, and is refused by our own decision. */
export const MAX_RECEIVE_BYTES = 33 * 1024 * 1024;
/** A body of the largest size that we take, with what a turn adds to it. */
const MAX_SEND_BYTES = 40 * 1024 * 1024;
/** As many as the bootstraps let Envoy open (`max_requests` of the ext_proc cluster). */
const MAX_OPEN_EXCHANGES = 65_536;
/** A peer that is gone without a word is found within 80 s. */
const KEEPALIVE_TIME_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
/** Stream resets per second, and at once. */
const RESET_BUDGET = 1_000_000;
/**
 * Per stream. With the 64 KiB of HTTP/2 a body comes in as many round trips, and a few large ones at once take longer than Envoy
 * waits for their replies.
 */
const STREAM_WINDOW_BYTES = 1024 * 1024;
/**
 * Of all streams of a connection together, so that neither one body nor a burst of them waits for updates of it. It bounds no memory:
 * Node tells of what has come on a connection as soon as it is there, and of a stream's bytes as they are read.
 */
export const CONNECTION_WINDOW_BYTES = 16 * STREAM_WINDOW_BYTES;

export interface GrpcTransportOptions {
  /** Called once per stream. It must not use the sink before it has returned. */
  readonly openExchange: OpenExchange;
  readonly observer: StreamObserver;
  readonly health: GrpcHealth;
  readonly scheduler: Scheduler;
  /** For every TCP and Unix listener. The caller closes it, after the transport. */
  readonly tls?: TlsFiles | undefined;
  /** Default 65,536. Above it a stream is ended with UNAVAILABLE. */
  readonly maxOpenExchanges?: number;
}

export function createGrpcTransport(options: GrpcTransportOptions): Transport {
  return new GrpcTransport(options);
}

class GrpcTransport implements Transport {
  readonly #options: GrpcTransportOptions;
  readonly #server: Server;
  readonly #connections: ReturnType<Server["createConnectionInjector"]>;
  readonly #listeners: SocketListener[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: GrpcTransportOptions) {
    this.#options = options;
    this.#server = createServer(options);
    // TLS ends in the listener, so that what comes here is plain HTTP/2.
    this.#connections = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    widenConnections(this.#server);
  }

  async listen(address: ListenAddress): Promise<ListenAddress> {
    const listener = await openSocketListener(address, {
      tls: this.#options.tls,
      onConnection: (socket: Socket) => this.#accept(socket),
    });
    this.#listeners.push(listener);
    if (this.#closing !== undefined) await listener.close();
    return listener.address;
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  #accept(socket: Socket): void {
    socket.on("error", () => {}); // with TLS this is another object than the accepted socket
    // A TLS handshake may end after the listener was closed.
    if (this.#closing === undefined) this.#connections.injectConnection(socket);
    else socket.destroy();
  }

  async #close(graceMs: number): Promise<void> {
    const closed = Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#options.health.endWatches();
    // GOAWAY on every connection: each closes with its last stream.
    this.#connections.destroy();
    const cancelCut = this.#options.scheduler.after(graceMs, () => {
      for (const listener of this.#listeners) listener.cut();
    });
    await closed;
    cancelCut();
    this.#server.forceShutdown();
  }
}

function createServer(options: GrpcTransportOptions): Server {
  const service = loadExternalProcessor();
  const path = service.Process.path;
  const server = new Server({
    "grpc.enable_channelz": 0,
    "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
    "grpc.max_send_message_length": MAX_SEND_BYTES,
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    interceptors: [
      interceptExchanges(path, {
        openExchange: options.openExchange,
        observer: options.observer,
        maxOpenExchanges: options.maxOpenExchanges ?? MAX_OPEN_EXCHANGES,
      }),
    ],
  });
  setHttp2Options(server);
  server.addService(asBytes(service), { Process: unreachable });
  options.health.addToServer(server);
  return server;
}

/**
 * What grpc-js 1.14.7 has no public way to set. Envoy ends every exchange with RST_STREAM, and Node's guard against rapid resets
 * (1,000 at once, then 33 per second) would then close the connection under all the others. Raising it gives up a protection,
 * which is why only Envoy may reach a listener.
 */
export function setHttp2Options(server: Server): void {
  const http2Options: unknown = server["commonServerOptions"];
  if (typeof http2Options !== "object" || http2Options === null) {
    throw new AppError("internal", "grpc-js has changed: its HTTP/2 options cannot be set");
  }
  Object.assign(http2Options, {
    streamResetBurst: RESET_BUDGET,
    streamResetRate: RESET_BUDGET,
    settings: {
      maxConcurrentStreams: MAX_OPEN_EXCHANGES,
      initialWindowSize: STREAM_WINDOW_BYTES,
    },
  });
}

/** Neither has it one for the window of connections; those of its servers that are there when this is called. */
function widenConnections(server: Server): void {
  const http2Servers: unknown = server["http2Servers"];
  if (!(http2Servers instanceof Map) || http2Servers.size === 0) {
    throw new AppError("internal", "grpc-js has changed: its HTTP/2 servers cannot be found");
  }
  for (const http2Server of http2Servers.keys() as Iterable<Http2Server>) {
    http2Server.on("session", (session: ServerHttp2Session) => {
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    });
  }
}

/** The same methods with messages left as bytes: the exchange decodes what it needs. */
function asBytes(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => [
    name,
    { ...method, requestDeserialize: (bytes: Buffer) => bytes, responseSerialize: toBuffer },
  ]);
  return Object.fromEntries(methods) as ServiceDefinition;
}

/** grpc-js copies the result while it sends. */
function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The interceptor answers before grpc-js would call this. */
const unreachable: UntypedHandleCall = () => {
  throw new AppError("internal", "an exchange was not intercepted");
};
