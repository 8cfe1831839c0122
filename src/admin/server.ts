/**
 * The admin API over HTTP, for operators and probes. Its answers and errors are JSON; nothing of an unexpected error but its
 * code leaves the process. It serves few requests and guards itself by small limits, so that it never competes with the data path.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Problem } from "../http/problem.ts";
import { createHttpServer, listenOn, refuseUnknownRoute } from "../http/server.ts";
import type { HttpLimits, TcpAddress } from "../http/server.ts";
import { underKey } from "../listen-address.ts";
import type { Logger } from "../log.ts";
import { viewPool } from "./pool-view.ts";
import type { AdminPorts, RoutingPorts } from "./ports.ts";
import { parseSessionRef, viewSession } from "./session-view.ts";
import type { Query } from "./session-view.ts";
import { createTokenCheck } from "./token.ts";

const LIMITS: HttpLimits = {
  bodyBytes: 1024, // no request of this API has a body; what a client sends all the same is read up to here
  handlerMs: 5_000,
  requestMs: 10_000,
  idleMs: 30_000,
  headersMs: 10_000,
  connections: 256,
};

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
  const main = createHttpServer({ limits: LIMITS, log });
  addProbes(main, ports);
  await main.register(async (guarded) => {
    if (token !== null) guarded.addHook("onRequest", requireToken(token));
    guarded.setNotFoundHandler(refuseUnknownRoute);
    addMetrics(guarded, ports);
    if (ports.routing !== undefined) addApi(guarded, ports.routing);
  });
  const servers = [main];
  const close = async () => {
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    const address = await underKey("admin.listen", listenOn(main, options.listen));
    if (options.metricsListen === null) return { address, metricsAddress: undefined, close };
    const metrics = createHttpServer({ limits: LIMITS, log });
    metrics.setNotFoundHandler(refuseUnknownRoute);
    addMetrics(metrics, ports);
    servers.push(metrics);
    const listening = listenOn(metrics, options.metricsListen);
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

function addApi(server: FastifyInstance, ports: RoutingPorts): void {
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

function unknownSession(pool: string): Problem {
  return new Problem("session_unknown", `the session has no binding in pool ${pool}`);
}

function requireToken(token: string) {
  const isAuthorized = createTokenCheck(token);
  return async (request: FastifyRequest, reply: FastifyReply) => {
    if (isAuthorized(request.headers.authorization)) return;
    reply.header("www-authenticate", "Bearer");
    throw new Problem("unauthorized", "a valid bearer token is required");
  };
}
