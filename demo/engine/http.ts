/** The HTTP that engines of either kind have in common: how they listen, read bodies with limits, and answer. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { BadRequest } from "./protocol/bad-request.ts";

export interface HttpServerOptions {
  /** An IP literal; loopback unless given. */
  readonly host?: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly bodyLimitBytes: number;
  /** A `BadRequest` that it throws is a 400, anything else a 500; after the first byte of an answer that is cut. */
  readonly handle: (request: SeenRequest, response: ServerResponse) => Promise<void>;
}

export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface HttpServer {
  readonly port: number;
  /** Drops open connections. Idempotent. */
  close(): Promise<void>;
}

/** Resolves once it listens. Every answer names the engine in `x-engine`. */
export async function openHttpServer(
  name: string,
  options: HttpServerOptions,
): Promise<HttpServer> {
  // An engine never closes an idle connection: a proxy may be about to use it.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    response.setHeader("x-engine", name);
    serve(request, response, options).catch((reason: unknown) => fail(response, reason));
  });
  server.listen(options.port, options.host ?? "127.0.0.1");
  await once(server, "listening");
  return {
    // A server that listens on TCP has an address of this form.
    port: (server.address() as AddressInfo).port,
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { bodyLimitBytes, handle }: HttpServerOptions,
): Promise<void> {
  const body = await readBody(request, bodyLimitBytes);
  if (body === undefined) {
    return sendError(response, 413, `the body is above ${bodyLimitBytes} bytes`);
  }
  const { method = "", url = "/", headers } = request;
  await handle({ method, path: url, headers, body }, response);
}

/** Whatever went wrong while a request was served. After the first byte of an answer only a cut is honest. */
function fail(response: ServerResponse, reason: unknown): void {
  if (response.headersSent || response.destroyed) response.destroy();
  else if (reason instanceof BadRequest) sendError(response, 400, reason.message);
  else sendError(response, 500, String(reason));
}

/** `undefined` when the body is larger than the limit; the rest of it is read and dropped. */
async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= limitBytes) chunks.push(chunk);
  }
  return sizeBytes <= limitBytes ? Buffer.concat(chunks) : undefined;
}

export function sendJson(response: ServerResponse, status: number, payload: unknown): void {
  sendText(response, status, JSON.stringify(payload));
}

/** As JSON already. */
export function sendText(response: ServerResponse, status: number, json: string): void {
  const length = Buffer.byteLength(json);
  response.writeHead(status, { "content-type": "application/json", "content-length": length });
  response.end(json);
}

/** As SGLang's native routes and OpenAI's clients both read it. */
export function sendError(response: ServerResponse, status: number, message: string): void {
  const type = status < 500 ? "BadRequestError" : "InternalServerError";
  sendJson(response, status, { error: { message, type, code: status } });
}

/** Aborts when the client is gone, or has its answer. */
export function abortOnClose(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => controller.abort());
  return controller.signal;
}
