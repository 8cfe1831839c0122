/**
 * Clients of an ext_proc server that send and receive whole messages as bytes: a real grpc-js client, and bare HTTP/2 streams
 * for what a well-behaved client never does (not reading, resetting every stream as Envoy does).
 */
import { once } from "node:events";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import type { ChannelCredentials, ClientDuplexStream, StatusObject } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import type { ListenAddress } from "../../src/extproc/transport.ts";

export const processPath = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

const asIs = (bytes: Buffer): Buffer => bytes;

/** `host:port` or `unix:/path`, as gRPC names it. */
export function targetOf(address: ListenAddress): string {
  return address.kind === "unix" ? `unix:${address.path}` : `${address.host}:${address.port}`;
}

/** A client with a connection of its own. Close it when done. */
export function createClient(
  address: ListenAddress,
  channelCredentials: ChannelCredentials = credentials.createInsecure(),
): Client {
  return new Client(targetOf(address), channelCredentials, {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.ssl_target_name_override": "localhost",
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
}

export class ExtProcStream {
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  /** Settles at the end of the stream, whatever the status. */
  readonly status: Promise<StatusObject>;
  readonly #replies: AsyncIterator<Buffer>;

  constructor(client: Client, path: string = processPath) {
    this.call = client.makeBidiStreamRequest(path, asIs, asIs);
    this.status = new Promise((resolve) => this.call.once("status", resolve));
    this.call.on("error", () => {}); // the status says the same
    this.#replies = this.call[Symbol.asyncIterator]();
  }

  send(message: Uint8Array | string): void {
    this.call.write(Buffer.from(message));
  }

  /** The next reply. Rejects when the stream ends without one. */
  async reply(): Promise<Buffer> {
    const { done, value } = await this.#replies.next();
    if (done === true) throw new Error("the stream ended without a reply");
    return value;
  }

  async ask(message: Uint8Array | string): Promise<string> {
    this.send(message);
    return (await this.reply()).toString();
  }

  halfClose(): void {
    this.call.end();
  }

  cancel(): void {
    this.call.cancel();
  }
}

export function connectSocket(address: ListenAddress): Socket {
  return createConnection(
    address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port },
  );
}

/** A bare HTTP/2 connection on a socket. */
export async function openConnection(socket: Socket): Promise<ClientHttp2Session> {
  const session = connect("http://localhost", { createConnection: () => socket });
  onTestFinished(() => session.destroy());
  await once(session, "connect");
  return session;
}

/** Starts an exchange that reads nothing until it is told to. */
export function openBareStream(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders = {},
): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": processPath,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {}); // a reset by the server or a lost connection, seen otherwise
  return stream;
}

/** A message with its five bytes of gRPC framing. */
export function frame(message: Uint8Array | string): Buffer {
  const body = Buffer.from(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/**
 * One exchange written frame by frame: unlike Node's client, which half-closes a stream before it resets it, this one can
 * send a reset alone.
 */
export class FrameStream {
  readonly #socket: Socket;

  constructor(address: ListenAddress) {
    this.#socket = connectSocket(address);
    this.#socket.on("error", () => {});
    this.#socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.#write([SETTINGS, 0, 0], Buffer.alloc(0));
    this.#write([HEADERS, END_HEADERS, 1], requestHeaders);
  }

  send(message: string): void {
    this.#write([DATA, 0, 1], frame(message));
  }

  reset(): void {
    this.#write([RST_STREAM, 0, 1], Buffer.from([0, 0, 0, CANCEL]));
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(head: readonly [type: number, flags: number, streamId: number], payload: Buffer): void {
    const [type, flags, streamId] = head;
    const length = payload.length;
    this.#socket.write(Buffer.from([0, length >> 8, length, type, flags, 0, 0, 0, streamId]));
    this.#socket.write(payload);
  }
}

const CANCEL = 8;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const END_HEADERS = 4;

/** HPACK by static indices (POST and http; then the names :authority, :path, content-type) and plain literals. */
const requestHeaders = Buffer.concat([
  Buffer.from([0x83, 0x86]),
  Buffer.from([0x01, ...literal("localhost")]),
  Buffer.from([0x04, ...literal(processPath)]),
  Buffer.from([0x0f, 0x10, ...literal("application/grpc")]),
]);

function literal(text: string): readonly number[] {
  return [text.length, ...Buffer.from(text)];
}

/** Exchanges one after the other, each with one reply and then a reset, as Envoy ends them. */
export async function resetStreams(session: ClientHttp2Session, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    const stream = openBareStream(session);
    stream.write(frame("hello"));
    await once(stream, "response");
    stream.end();
    stream.close(CANCEL);
  }
}
