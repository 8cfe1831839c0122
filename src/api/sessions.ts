/** Sessions: made, looked at, forked and ended. */
import * as z from "zod";

import { Problem } from "../http/problem.ts";
import type { Retention, Session, SessionKey } from "../kv/records.ts";
import type { Api } from "./api.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { createSessionBody, forkBody, sessionSchema } from "./schemas/session.ts";

const tags = ["sessions"];

export function addSessions(api: Api, ports: KvApiPorts): void {
  const { sessions, turns, newSessionId } = ports;

  api.post(
    "/v1/sessions",
    {
      schema: {
        operationId: "createSession",
        summary: "Makes a session; one that is there is answered as it is",
        tags,
        body: createSessionBody,
        response: { 200: sessionSchema, 201: sessionSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { id = newSessionId(), model } = request.body;
      const session = { tenant: tenantOf(request), id };
      const retention = retentionOf(session.tenant, request.body, ports);
      const outcome = await sessions.create({ session, model, retention });
      if (outcome.kind !== "refused") {
        return reply.code(outcome.kind === "created" ? 201 : 200).send(viewOf(outcome.session));
      }
      switch (outcome.reason) {
        case "unknown_tenant":
          throw noSuch("tenant");
        case "unknown_model":
          throw unknownName("model", model, "the model of a configured profile");
        case "quota_sessions":
          throw quotaExceeded("sessions");
      }
    },
  );

  api.get(
    "/v1/sessions/:id",
    {
      schema: {
        operationId: "getSession",
        summary: "The session as it is; asking is no use of it",
        tags,
        params: sessionPath,
        response: { 200: sessionSchema, ...problemAnswers },
      },
    },
    async (request) => viewOf(await sessionAt(keyOf(request), ports)),
  );

  api.delete(
    "/v1/sessions/:id",
    {
      schema: {
        operationId: "endSession",
        summary: "Ends the session: its references go at once, bytes with the last reference",
        tags,
        params: sessionPath,
        response: { 204: z.undefined().describe("It is ended"), ...problemAnswers },
      },
    },
    async (request, reply) => {
      if (!(await turns.end(keyOf(request)))) throw noSuch("session");
      return reply.code(204).send();
    },
  );

  api.post(
    "/v1/sessions/:id/fork",
    {
      schema: {
        operationId: "forkSession",
        summary: "Makes a session that lists what is durable of this one now",
        tags,
        params: sessionPath,
        body: forkBody,
        response: { 201: sessionSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { id = newSessionId() } = request.body;
      const outcome = await sessions.fork(keyOf(request), id);
      if (outcome.kind === "created") return reply.code(201).send(viewOf(outcome.session));
      switch (outcome.reason) {
        case "unknown_tenant":
        case "no_session":
          throw noSuch("session");
        case "exists":
          throw new Problem("session_exists", "the id of the fork is a session's already");
        case "quota_sessions":
          throw quotaExceeded("sessions");
      }
    },
  );
}

/** One answer for what there is not and for what is another tenant's. */
export function noSuch(thing: "session" | "segment" | "prefix" | "tenant"): Problem {
  return new Problem("not_found", `there is no such ${thing}`);
}

export function quotaExceeded(what: "sessions" | "pins" | "bytes"): Problem {
  return new Problem("quota_exceeded", `the tenant has as many ${what} as its quota allows`);
}

/** Throws `not_found`, also for a session that nobody has swept yet. */
export async function sessionAt(key: SessionKey, ports: KvApiPorts): Promise<Session> {
  const session = await ports.catalog.session(key);
  if (session === undefined) throw noSuch("session");
  const endsAtMs = Math.max(session.expiresAtMs, session.pinnedUntilMs);
  if (endsAtMs <= ports.nowMs()) throw noSuch("session");
  return session;
}

type SessionRequest = Parameters<typeof tenantOf>[0] & { readonly params: { readonly id: string } };

export function keyOf(request: SessionRequest): SessionKey {
  return { tenant: tenantOf(request), id: request.params.id };
}

interface Wish {
  readonly retention_class?: string | undefined;
  readonly ttl_ms?: number | undefined;
}

/** A class as it is configured, but for a shorter TTL. */
function retentionOf(tenant: string, wish: Wish, { retention }: KvApiPorts): Retention {
  const { retention_class: name, ttl_ms: ttlMs } = wish;
  const found = name === undefined ? retention.defaultOf(tenant) : retention.lookup(name);
  if (found === undefined) {
    throw unknownName("retention_class", name ?? "", "a configured retention class");
  }
  if (ttlMs === undefined) return found;
  if (ttlMs <= found.ttlMs) return { ...found, ttlMs };
  const limit = `at most ${found.ttlMs}, the class's own`;
  throw Problem.ofFields([
    { field: "ttl_ms", value: String(ttlMs), limit, message: `ttl_ms must be ${limit}` },
  ]);
}

function unknownName(field: string, value: string, limit: string): Problem {
  return Problem.ofFields([{ field, value, limit, message: `${field} must be ${limit}` }]);
}

export function viewOf(session: Session) {
  const { retention, pinnedUntilMs } = session;
  return {
    id: session.id,
    tenant: session.tenant,
    model: session.model,
    retention_class: retention.name,
    ttl_ms: retention.ttlMs,
    max_age_ms: retention.maxAgeMs,
    parent: session.parent ?? null,
    created_at_ms: session.createdAtMs,
    expires_at_ms: session.expiresAtMs,
    pinned_until_ms: pinnedUntilMs === 0 ? null : pinnedUntilMs,
    segments: session.segments,
    open_turns: session.turns.length,
  };
}
