/**
 * What our HTTP APIs have in common: a server that guards itself by limits, and answers whatever it cannot serve with a problem
 * document. Nothing of an unexpected error but its code leaves the process.
 */
import fastify from "fastify";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ServerOptions } from "node:https";
import type { Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { Scheduler } from "../clock.ts";
import { formatAddress } from "../endpoints/endpoint.ts";
import { AppError } from "../errors.ts";
import type { TlsFiles } from "../extproc/tls.ts";
import type { ListenAddress } from "../extproc/transport.ts";
import { listenFailed } from "../listen-address.ts";
import type { Logger } from "../log.ts";
import { limitConnections } from "./open-connections.ts";
import { Problem, PROBLEM_MEDIA_TYPE } from "./problem.ts";
import { keepUnsentAnswers } from "./unsent-answers.ts";

/** Far above an id of 256 bytes in percent encoding, so that a too long one is told its limit. */
const PATH_PARAM_LIMIT = 8192;
const HANDSHAKE_TIMEOUT_MS = 10_000;

export type TcpAddress = Extract<ListenAddress, { kind: "tcp" }>;

export interface HttpLimits {
  /** Of a request; a route may have its own. */
  readonly bodyBytes: number;
  /** From the headers to the answer; a route may have its own. */
  readonly handlerMs: number;
  /** For a request to arrive, with its body. */
  readonly requestMs: number;
  /** For a connection that is silent between requests or in the middle of one; not while a handler has it. */
  readonly idleMs: number;
  /** For the headers of a request: from when the connection is opened, later from their first byte. Seen within half as much again. */
  readonly headersMs: number;
  /** Above so many, the one that has been idle for longest makes room. */
  readonly connections: number;
}

export interface HttpServerOptions {
  readonly limits: HttpLimits;
  readonly tls?: TlsFiles | undefined;
  /** Told of what became `internal`. */
  readonly log: Logger;
}

export function createHttpServer({ limits, tls, log }: HttpServerOptions): FastifyInstance {
  const refuse = (error: FastifyError | Problem, reply: FastifyReply) => {
    const problem = toProblem(error);
    if (problem.code === "internal") log.error("request failed", { error });
    return reply
      .code(problem.status)
      .headers(problem.headers)
      .type(PROBLEM_MEDIA_TYPE)
      .send(JSON.stringify(problem.document));
  };
  const { headersMs } = limits;
  const times = { headersTimeout: headersMs, connectionsCheckingInterval: headersMs / 2 };
  const server = fastify({
    ...(tls === undefined ? { http: times } : { https: { ...secured(tls), ...times } }),
    bodyLimit: limits.bodyBytes,
    handlerTimeout: limits.handlerMs,
    requestTimeout: limits.requestMs,
    connectionTimeout: limits.idleMs,
    keepAliveTimeout: limits.idleMs,
    return503OnClosing: false, // while draining, readiness says so in its own words
    forceCloseConnections: "idle",
    trustProxy: false,
    routerOptions: { maxParamLength: PATH_PARAM_LIMIT },
    clientErrorHandler: refuseBrokenRequest,
    frameworkErrors: (error, _request, reply) => {
      void refuse(error, reply as unknown as FastifyReply);
    },
  }) as unknown as FastifyInstance; // whose type differs by the kind of server alone
  limitConnections(server.server, limits.connections);
  server.addHook("preHandler", outlastSilence);
  server.setErrorHandler<FastifyError | Problem>((error, _request, reply) => refuse(error, reply));
  followRenewals(server, tls);
  closeWithLastAnswers(server);
  keepUnsentAnswers(server, limits.idleMs);
  return server;
}

/**
 * When the server closes, connections without a request are closed by it. Those that have one are closed here, when it is answered:
 * kept alive they would hold up the end of the process until their client leaves them.
 */
function closeWithLastAnswers(server: FastifyInstance): void {
  let isClosing = false;
  server.addHook("preClose", (done) => {
    isClosing = true;
    done();
  });
  server.addHook("onResponse", ({ raw }, _reply, done) => {
    if (isClosing) raw.socket.destroySoon();
    done();
  });
}

/** Rejects with `listen_failed`. Answers `ip:port`, with the real port where 0 was asked for. */
export async function listenOn(server: FastifyInstance, address: TcpAddress): Promise<string> {
  try {
    await server.listen({ host: address.host, port: address.port });
  } catch (cause) {
    throw listenFailed(address, cause);
  }
  const bound = server.server.address();
  if (typeof bound !== "object" || bound === null) throw new AppError("internal", "no TCP address");
  return formatAddress(bound.address, bound.port);
}

/** Requests under way have `drainMs` to be answered; then their connections are cut. */
export async function drainAndClose(
  server: FastifyInstance,
  { drainMs, scheduler }: { readonly drainMs: number; readonly scheduler: Scheduler },
): Promise<void> {
  const cancel = scheduler.after(drainMs, () => server.server.closeAllConnections());
  try {
    await server.close();
  } finally {
    cancel();
  }
}

/** For `setNotFoundHandler`, behind whatever guards the routes. */
export function refuseUnknownRoute(): never {
  throw new Problem("not_found", "no such route");
}

/** A handler may take longer than a connection may be silent. Node sets the limit anew with the next request. */
async function outlastSilence({ raw, routeOptions }: FastifyRequest): Promise<void> {
  raw.socket.setTimeout(routeOptions.handlerTimeout ?? 0);
}

function secured(tls: TlsFiles): ServerOptions {
  return {
    ...tls.current,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    requestCert: tls.isClientCertRequired,
    rejectUnauthorized: tls.isClientCertRequired,
  };
}

/** Connections that are open keep the certificate that they began with. */
function followRenewals({ server }: FastifyInstance, tls: TlsFiles | undefined): void {
  if (tls === undefined || !(server instanceof TlsServer)) return;
  const unsubscribe = tls.subscribe((context) => server.setSecureContext(context));
  server.once("close", unsubscribe);
}

/** Fastify's own errors below 500 are the client's: their codes are told, since their texts may quote what was sent. */
function toProblem(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error;
  switch (error.code) {
    case "FST_ERR_HANDLER_TIMEOUT":
      return new Problem("timed_out", "no answer within the time for it");
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new Problem("body_too_large", "the body is larger than this route takes");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new Problem("media_type_unsupported", "this route takes no body of that content type");
    default:
  }
  const isClients = error.statusCode !== undefined && error.statusCode < 500;
  return isClients
    ? new Problem("request_invalid", `the request cannot be read (${error.code})`)
    : new Problem("internal", "internal error");
}

/** What is no HTTP request never reaches a route. */
function refuseBrokenRequest({ code }: { readonly code?: string }, socket: Socket): void {
  if (!socket.writable) return socket.destroy() && undefined;
  const problem = new Problem("request_invalid", "this is no HTTP request within the limits");
  const body = JSON.stringify(problem.document);
  const head = [
    "HTTP/1.1 400 Bad Request",
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") socket.destroySoon(); // who says nothing may never end its own side
}
