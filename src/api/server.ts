/** The KV API's own listener. Which routes there are, for whom they answer, and within which limits. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { serializerCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";

import type { Scheduler } from "../clock.ts";
import type { TlsFiles } from "../extproc/tls.ts";
import {
  createHttpServer,
  drainAndClose,
  type HttpLimits,
  listenOn,
  refuseUnknownRoute,
  type TcpAddress,
} from "../http/server.ts";
import { underKey } from "../listen-address.ts";
import type { Logger } from "../log.ts";
import { addBytesRoutes } from "./bytes/bytes-routes.ts";
import { addExplain } from "./explain.ts";
import { addOpenApi, describeRoutes } from "./openapi.ts";
import type { KvApiPorts } from "./ports.ts";
import { createAuthentication, type Tokens, unauthorized } from "./principal.ts";
import { addPrefetch } from "./prefetch.ts";
import { addPredict } from "./predict.ts";
import { addPrefixes } from "./prefixes.ts";
import { PromptBodies } from "./prompt-bodies.ts";
import { addSegments } from "./segments.ts";
import { addSessions } from "./sessions.ts";
import { addSharing } from "./sharing.ts";
import { addTurns } from "./turns.ts";
import { addUsage } from "./usage.ts";
import { compileValidator } from "./validation.ts";

const LIMITS: HttpLimits = {
  bodyBytes: 65_536, // of routes that take no tokens; those have their own
  handlerMs: 30_000,
  requestMs: 600_000, // the longest body is a segment's bytes
  idleMs: 60_000,
  headersMs: 10_000,
  connections: 4_096,
};

/** A plan waits for another turn of its session, a commit until what was written is verified: both within limits of their own. */
const TURN_HANDLER_MS = 1_200_000;

/** Of the greatest length, or as many more as they are shorter. Parsed, a prompt takes a few times the memory of its text. */
const PROMPTS_AT_ONCE = 32;

/** What became of a request. There is none of what is no HTTP, or has a path that cannot be decoded. */
export interface KvAnswer {
  /** The route's `operationId`; `none` where there is no such route. */
  readonly operation: string;
  readonly status: number;
  /** From the headers of the request to the end of the answer. */
  readonly durationMs: number;
}

export interface KvApiOptions {
  readonly listen: TcpAddress;
  /** Of requests that carry the tokens of a prompt. */
  readonly bodyLimitBytes: number;
  readonly tls?: TlsFiles | undefined;
  /** Without any, everybody may do everything: for loopback alone. */
  readonly tokens: Tokens;
  readonly log: Logger;
  /** Returns at once and never throws. */
  readonly answered: (answer: KvAnswer) => void;
  /** Of requests under way, when the server closes. */
  readonly drainMs: number;
  readonly scheduler: Scheduler;
}

export interface KvApiServer {
  /** `ip:port`, with the real port where 0 was asked for. */
  readonly address: string;
  /** Takes no more requests; those under way have `drainMs`. Idempotent. */
  close(): Promise<void>;
}

/** Rejects with `listen_failed`, with nothing left open. */
export async function openKvApi(ports: KvApiPorts, options: KvApiOptions): Promise<KvApiServer> {
  const server = await createKvApi(ports, options);
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= drainAndClose(server, options));
  try {
    const address = await underKey("kv.listen", listenOn(server, options.listen));
    return { address, close };
  } catch (reason) {
    await close();
    throw reason;
  }
}

/** All routes, listening nowhere. */
export async function createKvApi(
  ports: KvApiPorts,
  {
    bodyLimitBytes,
    tls,
    tokens,
    log,
    answered,
  }: Omit<KvApiOptions, "listen" | "drainMs" | "scheduler">,
): Promise<FastifyInstance> {
  const server = createHttpServer({ limits: LIMITS, tls, log });
  server.addHook("onResponse", async (request, reply) => answered(answerOf(request, reply)));
  server.setValidatorCompiler(compileValidator);
  server.setSerializerCompiler(serializerCompiler);
  server.removeContentTypeParser("text/plain");
  server.decorateRequest("principal", undefined);
  await describeRoutes(server);
  addOpenApi(server);
  const bodies = new PromptBodies(PROMPTS_AT_ONCE * bodyLimitBytes);
  const turnLimits = { bodyLimitBytes, handlerMs: TURN_HANDLER_MS, bodies };
  await server.register(async (guarded) => {
    guarded.addHook("onRequest", authenticate(tokens));
    guarded.setNotFoundHandler(refuseUnknownRoute);
    const api = guarded.withTypeProvider<ZodTypeProvider>();
    addSessions(api, ports);
    addSharing(api, ports);
    addTurns(api, ports, turnLimits);
    addExplain(api, ports, turnLimits);
    addPrefetch(api, ports, turnLimits);
    addPredict(api, ports, turnLimits);
    addPrefixes(api, ports);
    addSegments(api, ports);
    await addBytesRoutes(api, ports.bytes);
    addUsage(api, ports);
  });
  await server.ready();
  return server;
}

function answerOf({ routeOptions }: FastifyRequest, reply: FastifyReply): KvAnswer {
  const operation = routeOptions.schema?.operationId ?? "none";
  return { operation, status: reply.statusCode, durationMs: reply.elapsedTime };
}

function authenticate(tokens: Tokens) {
  const principalOf = createAuthentication(tokens);
  return async (request: FastifyRequest) => {
    const { authorization } = request.headers;
    request.principal = principalOf(authorization);
    if (request.principal !== undefined) return;
    const isSignedPerhaps = request.routeOptions.config.allowsSignedUrl === true;
    if (authorization === undefined && isSignedPerhaps) return;
    throw unauthorized();
  };
}
