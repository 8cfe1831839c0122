/**
 * The admin API over HTTP, for operators and probes. Its answers and errors are JSON; nothing of an unexpected error but its
 * code leaves the process. It serves few requests and guards itself by small limits, so that it never competes with the data path.
 */
import fastify from "fastify";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Socket } from "node:net";
import { formatAddress } from "../endpoints/endpoint.ts";
import { AppError } from "../errors.ts";
import type { ListenAddress } from "../extproc/transport.ts";
import { listenFailed, underKey } from "../listen-address.ts";
import type { Logger } from "../log.ts";
import { viewPool } from "./pool-view.ts";
import type { AdminPorts } from "./ports.ts";
import { AdminProblem } from "./problem.ts";
import { parseSessionRef, viewSession } from "./session-view.ts";
import type { Query } from "./session-view.ts";
import { createTokenCheck } from "./token.ts";

/** No request of this API has a body; what a client sends all the same is read up to here. */
const BODY_LIMIT_BYTES = 1024;
/** Far above an id of 256 bytes in percent encoding, so that a too long one is told its limit. */
const PATH_PARAM_LIMIT = 8192;
const HANDLER_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 256;

type TcpAddress = Extract<ListenAddress, { kind: "tcp" }>;

export interface AdminOptions {
  readonly listen: TcpAddress;
  /** A second listener that serves /metrics alone, without a token. */
  readonly metricsListen: TcpAddress | null;
  /** Wanted for all but /livez and /readyz; null asks for none. */
  readonly token: string | null;
  readonly log: Logger;
}

export interface AdminServer {
  /** `ip:port`, with the real port where 0 was asked for. */
  readonly address: string;
  readonly metricsAddress: string | undefined;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Rejects with `listen_failed`, with nothing left open. */
export async function openAdmin(ports: AdminPorts, options: AdminOptions): Promise<AdminServer> {
  const { log, token } = options;
  const main = createServer(log);
  addProbes(main, ports);
  await main.register(async (guarded) => {
    if (token !== null) guarded.addHook("onRequest", requireToken(token));
    guarded.setNotFoundHandler(refuseUnknownRoute);
    addMetrics(guarded, ports);
    addApi(guarded, ports);
  });
  const servers = [main];
  const close = async () => {
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    const address = await underKey("admin.listen", listen(main, options.listen));
    if (options.metricsListen === null) return { address, metricsAddress: undefined, close };
    const metrics = createServer(log);
    metrics.setNotFoundHandler(refuseUnknownRoute);
    addMetrics(metrics, ports);
    servers.push(metrics);
    const listening = listen(metrics, options.metricsListen);
    const metricsAddress = await underKey("admin.metricsListen", listening);
    return { address, metricsAddress, close };
  } catch (reason) {
    await close();
    throw reason;
  }
}

function addProbes(server: FastifyInstance, ports: AdminPorts): void {
  server.get("/livez", () => ({ isLive: true }));
  server.get("/readyz", (_request, reply) => {
    const readiness = ports.readiness();
    return reply.code(readiness.isReady ? 200 : 503).send(readiness);
  });
}

function addMetrics(server: FastifyInstance, ports: AdminPorts): void {
  server.get("/metrics", async (_request, reply) => {
    const { contentType, text } = await ports.metrics();
    return reply.type(contentType).send(text);
  });
}

interface SessionRoute {
  Params: { id: string };
  Querystring: Query;
}

function addApi(server: FastifyInstance, ports: AdminPorts): void {
  server.get("/v1/pools", () => ({
    pools: ports.pools.all().map((pool) => viewPool(pool, ports)),
  }));
  server.get<SessionRoute>("/v1/sessions/:id", async ({ params, query }) => {
    const session = parseSessionRef(params.id, query, ports.pools);
    const { pool, tenant, sessionId } = session;
    const { binding, next } = await ports.sessions.inspect(pool, tenant, sessionId);
    if (binding === undefined) throw unknownSession(pool.name);
    return viewSession(session, { binding, next }, ports);
  });
  server.delete<SessionRoute>("/v1/sessions/:id", async ({ params, query }, reply) => {
    const { pool, tenant, sessionId } = parseSessionRef(params.id, query, ports.pools);
    const isReleased = await ports.sessions.release(pool, tenant, sessionId);
    if (!isReleased) throw unknownSession(pool.name);
    return reply.code(204).send();
  });
}

function unknownSession(pool: string): AdminProblem {
  return new AdminProblem("session_unknown", `the session has no binding in pool ${pool}`);
}

function requireToken(token: string) {
  const isAuthorized = createTokenCheck(token);
  return async (request: FastifyRequest, reply: FastifyReply) => {
    if (isAuthorized(request.headers.authorization)) return;
    reply.header("www-authenticate", "Bearer");
    throw new AdminProblem("unauthorized", "a valid bearer token is required");
  };
}

function refuseUnknownRoute(): never {
  throw new AdminProblem("not_found", "no such route");
}

function createServer(log: Logger): FastifyInstance {
  const refuse = (error: FastifyError | AdminProblem, reply: FastifyReply) => {
    const problem = toProblem(error);
    if (problem.code === "internal") log.error("admin request failed", { error });
    return reply.code(problem.status).send(problem.body);
  };
  const server = fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    return503OnClosing: false, // while draining, /readyz says so in its own words
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: PATH_PARAM_LIMIT },
    clientErrorHandler: refuseBrokenRequest,
    frameworkErrors: (error, _request, reply) => {
      void refuse(error, reply);
    },
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  server.setErrorHandler<FastifyError | AdminProblem>((error, _request, reply) =>
    refuse(error, reply),
  );
  return server;
}

/** Fastify's own errors below 500 are the client's: their codes are told, since their texts may quote what was sent. */
function toProblem(error: FastifyError | AdminProblem): AdminProblem {
  if (error instanceof AdminProblem) return error;
  if (error.code === "FST_ERR_HANDLER_TIMEOUT") {
    return new AdminProblem("timed_out", `no answer within ${HANDLER_TIMEOUT_MS} ms`);
  }
  const isClients = error.statusCode !== undefined && error.statusCode < 500;
  return isClients
    ? new AdminProblem("request_invalid", `the request cannot be read (${error.code})`)
    : new AdminProblem("internal", "internal error");
}

/** What is no HTTP request never reaches a route. */
function refuseBrokenRequest(_error: unknown, socket: Socket): void {
  if (!socket.writable) return socket.destroy() && undefined;
  const problem = new AdminProblem("request_invalid", "this is no HTTP request within the limits");
  const body = JSON.stringify(problem.body);
  const head = [
    "HTTP/1.1 400 Bad Request",
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

async function listen(server: FastifyInstance, address: TcpAddress): Promise<string> {
  try {
    await server.listen({ host: address.host, port: address.port });
  } catch (cause) {
    throw listenFailed(address, cause);
  }
  const bound = server.server.address();
  if (typeof bound !== "object" || bound === null) throw new AppError("internal", "no TCP address");
  return formatAddress(bound.address, bound.port);
}
