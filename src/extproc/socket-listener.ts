/**
 * Accepts connections on TCP ports and Unix sockets, with TLS or without, and hands each ready one to the protocol above. The
 * sockets are opened here, and not by grpc-js, so that a failure names its cause, a stale Unix socket is removed, a
 * certificate is replaced by Node's own `setSecureContext`, and the last connections can be cut.
 */
import { once } from "node:events";
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { listenFailed } from "../listen-address.ts";
import type { TlsFiles } from "./tls.ts";
import type { ListenAddress } from "./transport.ts";

/** What fits into `sun_path` with its closing NUL: 108 bytes on Linux, 104 on macOS and the BSDs. */
const UNIX_PATH_LIMIT_BYTES = process.platform === "linux" ? 107 : 103;
/** Owner and group may connect: Envoy often runs as another user of the same group. */
const UNIX_SOCKET_MODE = 0o660;

export interface SocketListenerOptions {
  readonly tls?: TlsFiles | undefined;
  /** A connection is ready: accepted, and with TLS also through its handshake. */
  readonly onConnection: (socket: Socket) => void;
}

export interface SocketListener {
  /** As asked for, with the real port in place of 0. */
  readonly address: ListenAddress;
  /** Stops accepting; removes a Unix socket's file. Resolves when the last accepted connection has ended. Idempotent. */
  close(): Promise<void>;
  /** Destroys every accepted connection, those in their handshake included. */
  cut(): void;
}

/** Rejects with `listen_failed`. */
export async function openSocketListener(
  address: ListenAddress,
  options: SocketListenerOptions,
): Promise<SocketListener> {
  try {
    if (address.kind === "unix") await prepareUnixPath(address.path);
    const server = createSocketServer(options);
    const sockets = trackConnections(server);
    server.listen(address.kind === "unix" ? { path: address.path } : address);
    await once(server, "listening");
    // From here on an error is one failed accept (no file descriptor left, say), and the next may succeed.
    server.on("error", () => {});
    if (address.kind === "unix") chmodSync(address.path, UNIX_SOCKET_MODE);
    return new OpenListener(server, sockets, boundAddress(server, address));
  } catch (cause) {
    throw listenFailed(address, cause);
  }
}

class OpenListener implements SocketListener {
  readonly address: ListenAddress;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;
  #closing: Promise<void> | undefined;

  constructor(server: Server, sockets: ReadonlySet<Socket>, address: ListenAddress) {
    this.#server = server;
    this.#sockets = sockets;
    this.address = address;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#server.close(() => resolve()));
    return this.#closing;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function createSocketServer({ tls, onConnection }: SocketListenerOptions): Server {
  if (tls === undefined) return createServer(onConnection);
  const server = createTlsServer(
    {
      ...tls.current,
      ALPNProtocols: ["h2"],
      requestCert: tls.isClientCertRequired,
      rejectUnauthorized: tls.isClientCertRequired,
    },
    onConnection,
  );
  const unsubscribe = tls.subscribe((context) => server.setSecureContext(context));
  return server.once("close", unsubscribe);
}

function trackConnections(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {}); // followed by "close", which is where a lost connection is dealt with
  });
  return sockets;
}

function boundAddress(server: Server, asked: ListenAddress): ListenAddress {
  const bound = server.address();
  if (asked.kind === "unix" || bound === null || typeof bound === "string") return asked;
  return { ...asked, port: bound.port };
}

/** Removes the socket of a process that is gone. Anything that is in use, or is not a socket, is left alone and refused. */
async function prepareUnixPath(path: string): Promise<void> {
  const lengthBytes = Buffer.byteLength(path);
  if (lengthBytes > UNIX_PATH_LIMIT_BYTES) {
    throw new Error(`the path has ${lengthBytes} bytes, the limit is ${UNIX_PATH_LIMIT_BYTES}`);
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error("the path exists and is not a socket");
  if (await isAnswered(path)) {
    throw Object.assign(new Error("the socket is answered"), { code: "EADDRINUSE" });
  }
  unlinkSync(path);
}

async function isAnswered(path: string): Promise<boolean> {
  const probe = connect({ path });
  try {
    await once(probe, "connect");
    return true;
  } catch (reason) {
    if (reason instanceof Error && "code" in reason && reason.code === "ECONNREFUSED") return false;
    throw reason;
  } finally {
    probe.destroy();
  }
}
